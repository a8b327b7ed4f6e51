-- Purchases of plans; price_usd is a decimal, settle_at when a job looks what became of one.
create table purchases (
  account_id text not null references accounts (id),
  id text not null,
  plan_id text not null,
  price_usd text not null,
  stage text not null,
  order_id text,
  checkout_url text,
  created_at integer not null,
  expires_at integer not null,
  captures integer not null,
  capture_begun_at integer,
  capture_id text,
  confirmed_at integer,
  updated_at integer not null,
  settle_at integer,
  primary key (account_id, id)
) strict, without rowid;

-- Who buys: the account's newest purchase.
create unique index purchases_newest on purchases (account_id, created_at);

-- What is told of orders; one order is of one purchase.
create unique index purchases_by_order on purchases (order_id);

-- Money counts once.
create unique index purchases_by_capture on purchases (capture_id);

-- What a job looks after.
create index purchases_unsettled on purchases (settle_at, id)
where settle_at is not null;
