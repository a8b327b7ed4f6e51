-- Purchases of plans, few enough to be everywhere: price_usd is a decimal, settle_at when a job looks what became of one.
create table purchases (
  account_id text collate "C" not null,
  id text collate "C" not null,
  plan_id text not null,
  price_usd text not null,
  stage text not null,
  order_id text collate "C",
  checkout_url text,
  created_at bigint not null,
  expires_at bigint not null,
  captures integer not null,
  capture_begun_at bigint,
  capture_id text collate "C",
  confirmed_at bigint,
  updated_at bigint not null,
  settle_at bigint
);

-- As with keys: a plan made for few rows must not take an account for one purchase.
alter table purchases alter account_id set (n_distinct = 1);

-- Who buys: the account's newest purchase.
create unique index purchases_newest on purchases (account_id, created_at);

-- What is told of orders; one order is of one purchase.
create unique index purchases_by_order on purchases (order_id);

-- Money counts once.
create unique index purchases_by_capture on purchases (capture_id);

-- What a job looks after.
create index purchases_unsettled on purchases (settle_at, id)
where settle_at is not null;

alter table purchases add primary key (account_id, id);
