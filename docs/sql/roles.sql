-- Two roles with the least rights that work, in a database of your own. Run it as a superuser, connected to that
-- database, before the first `ironforge db upgrade`; running it again changes nothing:
--
--   psql --dbname=ironforge --file=roles.sql
--
-- ironforge         owns the tables: db upgrade, collect, poll, seed, stats recompute, partitions maintain. A new day is
--                   a new table, which only its parent's owner can attach; so it may make tables in the schema public,
--                   and nothing else: no database, no role, no file of the server, no table that it did not make.
-- ironforge_reader  reads: status, psql, pg_dump. What the owner makes later, each new day too, it can read at once.
--
-- Neither has a password yet: \password ironforge, \password ironforge_reader.

\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name)
FROM unnest(ARRAY['ironforge', 'ironforge_reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- What everybody may do by default: use the database, make temporary tables and, before PostgreSQL 15, make tables.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database())
\gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;

SELECT format('GRANT CONNECT ON DATABASE %I TO ironforge, ironforge_reader', current_database())
\gexec
GRANT USAGE, CREATE ON SCHEMA public TO ironforge;
GRANT USAGE ON SCHEMA public TO ironforge_reader;

-- Where somebody else made ironforge's tables, as a superuser's first `ironforge db upgrade` does, they become the
-- owner's: those that bear its names, and its partitions; their indexes and sequences come along. No
-- other table is touched.
SELECT format('ALTER TABLE %s OWNER TO ironforge', tables.oid::regclass)
FROM pg_class AS tables
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relowner <> 'ironforge'::regrole
  AND to_regclass('public.alembic_version') IS NOT NULL
  AND (relname IN ('alembic_version', 'benchmarks', 'generations', 'imports', 'item_ranks', 'items', 'not_shown', 'reagents', 'recipe_outputs',
                   'recipe_slots', 'recipes', 'scraper_logs', 'seeder_status', 'slot_categories', 'snapshots',
                   'statistics_months', 'thinning_checks', 'vendor_prices')
    OR relname ~ '^(auction_snapshots_[a-z]{2}|[a-z]{2}_commodity_price_(stats|days)|[a-z]{2}_token_price)$'
    OR ((relname ~ '^auction_snapshots_[a-z]{2}_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
         OR relname ~ '^[a-z]{2}_commodity_price_stats_([0-9]{4}_[0-9]{2}|before)$')
        AND obj_description(oid, 'pg_class') LIKE 'ironforge:%'))
\gexec
SELECT 'ALTER TYPE public.time_left OWNER TO ironforge'
FROM pg_type
WHERE oid = to_regtype('public.time_left') AND typowner <> 'ironforge'::regrole
  AND to_regclass('public.alembic_version') IS NOT NULL
\gexec

-- Tables and sequences that are there, where the database was in use before; and all that the owner makes from now on.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ironforge_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ironforge_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE ironforge IN SCHEMA public GRANT SELECT ON TABLES TO ironforge_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE ironforge IN SCHEMA public GRANT SELECT ON SEQUENCES TO ironforge_reader;
