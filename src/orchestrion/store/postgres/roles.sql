-- Three roles for Orchestrion, for psql as a superuser in the database they are for:
--   orchestrion_owner     owns the tables and cannot log in
--   orchestrion_migrator  applies migrations: `orchestrion db migrate`
--   orchestrion_runtime   serves: `orchestrion serve`, `orchestrion keys`; cannot alter the schema
-- It may be run again, and should be once after the first `orchestrion db migrate`: it then also
-- keeps the runtime role from writing the record of migrations. Passwords are not its business:
--   \password orchestrion_migrator
--   \password orchestrion_runtime
\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;

do $$
begin
  if to_regrole('orchestrion_owner') is null then
    create role orchestrion_owner nologin;
  end if;
  if to_regrole('orchestrion_migrator') is null then
    create role orchestrion_migrator login;
  end if;
  if to_regrole('orchestrion_runtime') is null then
    create role orchestrion_runtime login;
  end if;
end $$;

-- What the migrator makes belongs to the owner.
grant orchestrion_owner to orchestrion_migrator;
alter role orchestrion_migrator set role = 'orchestrion_owner';

-- A migration may take its time, but nothing may queue behind it for long.
alter role orchestrion_migrator set statement_timeout = 0;
alter role orchestrion_migrator set lock_timeout = '5s';
alter role orchestrion_migrator set idle_in_transaction_session_timeout = '60s';
alter role orchestrion_runtime set statement_timeout = '15s';
alter role orchestrion_runtime set lock_timeout = '2s';
alter role orchestrion_runtime set idle_in_transaction_session_timeout = '10s';

revoke create on schema public from public;
grant usage, create on schema public to orchestrion_owner;
grant usage on schema public to orchestrion_runtime;

alter default privileges for role orchestrion_owner in schema public
grant select, insert, update, delete on tables to orchestrion_runtime;

-- Tables that are there already, made by another role.
do $$
declare
  name text;
begin
  foreach name in array array[
    'schema_migrations', 'accounts', 'api_keys', 'tasks', 'idempotency_keys', 'request_counts',
    'worker_asks', 'purchases', 'copies', 'task_counts', 'task_minutes'
  ] loop
    if to_regclass('public.' || name) is not null then
      execute format('alter table public.%I owner to orchestrion_owner', name);
      execute format(
        'grant select, insert, update, delete on public.%I to orchestrion_runtime', name
      );
    end if;
  end loop;
  if to_regclass('public.schema_migrations') is not null then
    revoke insert, update, delete on public.schema_migrations from orchestrion_runtime;
  end if;
end $$;

commit;
