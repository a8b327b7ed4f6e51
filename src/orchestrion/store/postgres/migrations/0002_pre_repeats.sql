-- Safe repeats, claims that can be repeated, releases, and cancels of running work.

alter table tasks add column given_back_by bytea;
alter table tasks add column claim_key text collate "C";
alter table tasks add column claim_digest bytea;
alter table tasks add column release_count integer not null default 0;
alter table tasks add column cancel_requested_at bigint;
alter table accounts add column require_lease_token integer not null default 0;

-- Repeats of claims: what is held under a key.
create index tasks_claim_keys on tasks (account_id, claim_key)
where status = 'claimed' and claim_key is not null;
