-- allocs - How many allocations does the newest profile hold?
--
-- allocs  the allocations that succeeded
SELECT alloc_events AS allocs
FROM profile
WHERE profile_id = coalesce(:profile, (SELECT max(profile_id) FROM profile));
