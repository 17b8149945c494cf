-- views_block.sql - the interface: single blocks, and what happened to them.

-- One row is the life of one block, from a birth to an end.
--
-- Not stored by memparse --summary.
CREATE VIEW allocation (
  -- The profile the life belongs to.
  profile_id,
  -- The number of the life, unique in the database.
  allocation_id,
  -- The site that began the life, NULL if that was before the recording.
  site_id,
  -- The address of the block.
  address,
  -- The size of the block.
  size,
  -- The event that began the life, NULL if that was before the recording.
  born_event,
  -- What began it: alloc or realloc, NULL if before the recording.
  born_by,
  -- The event that ended the life, NULL if the block is alive at the end.
  died_event,
  -- What ended it: free, realloc, or replaced by a block at its address.
  died_by,
  -- The site that ended the life, NULL if the block is alive at the end.
  died_site_id,
  -- The born_event of the life that a reallocation continued here, or NULL.
  realloc_of,
  -- The events from birth to end, NULL if one of them is not known.
  lifetime_events,
  -- The callsite that began the life, NULL if before the recording.
  callsite_id,
  -- The callsite that ended the life, NULL if the block is alive at the end.
  died_callsite_id
) AS
SELECT
  p.profile_id, a.allocation_id, b.site_id, a.address, a.size, a.born_event,
  CASE
    WHEN a.born_event IS NULL THEN NULL
    WHEN a.how & 1 THEN 'realloc'
    ELSE 'alloc'
  END,
  a.died_event,
  CASE
    WHEN a.died_event IS NULL THEN NULL
    WHEN a.how & 4 THEN 'replaced'
    WHEN a.how & 2 THEN 'realloc'
    ELSE 'free'
  END,
  d.site_id, a.realloc_of, a.died_event - a.born_event, a.callsite_id,
  a.died_callsite_id
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_allocation_id
    AND a.allocation_id < p.end_allocation_id
LEFT JOIN callsite_data AS b ON b.callsite_id = a.callsite_id
LEFT JOIN callsite_data AS d ON d.callsite_id = a.died_callsite_id;

-- One row is a block alive at the end of its profile: what may be a leak.
--
-- Not stored by memparse --summary.
CREATE VIEW live_block (
  -- The profile the block belongs to.
  profile_id,
  -- The number of its life, unique in the database.
  allocation_id,
  -- The site that owns the block.
  site_id,
  -- The address of the block.
  address,
  -- The size of the block.
  size,
  -- The event that began its life.
  born_event,
  -- What began it: alloc or realloc.
  born_by,
  -- The born_event of the life that a reallocation continued here, or NULL.
  realloc_of,
  -- The callsite that owns the block.
  callsite_id
) AS
SELECT
  p.profile_id, a.allocation_id, b.site_id, a.address, a.size, a.born_event,
  CASE WHEN a.how & 1 THEN 'realloc' ELSE 'alloc' END, a.realloc_of,
  a.callsite_id
FROM profile_data AS p
CROSS JOIN allocation_data AS a
  ON a.allocation_id >= p.first_live_id
    AND a.allocation_id < p.end_allocation_id
LEFT JOIN callsite_data AS b ON b.callsite_id = a.callsite_id
-- A profile made of several streams has ended lives behind live ones.
WHERE a.died_event IS NULL;

-- One row is an event of the stream that succeeded, made from the lives that
-- it began and ended.
--
-- An event that did neither, such as a free of address 0, is in no life and
-- is counted at its site only. Not stored by memparse --summary.
CREATE VIEW event (
  -- The profile the event belongs to.
  profile_id,
  -- Its number in the profile, from 1.
  event,
  -- What it did: alloc, realloc or free.
  kind,
  -- The site that did it.
  site_id,
  -- The address of the new block, NULL if there is none.
  address,
  -- The size of the new block, NULL if there is none.
  size,
  -- The address of the old block, NULL if there is none.
  old_address,
  -- The size of the old block, NULL if there is none.
  old_size
) AS
SELECT
  profile_id, born_event, born_by, site_id, address, size, NULL, NULL
FROM allocation
WHERE born_by = 'alloc'
UNION ALL
SELECT
  profile_id, died_event, died_by, died_site_id, NULL, NULL, address, size
FROM allocation
WHERE died_by = 'free'
UNION ALL
-- A realloc is the end of one life, the birth of another, or both.
SELECT
  profile_id, event, 'realloc', max(site_id), max(address), max(size),
  max(old_address), max(old_size)
FROM (
  SELECT
    profile_id, died_event AS event, died_site_id AS site_id,
    NULL AS address, NULL AS size, address AS old_address, size AS old_size
  FROM allocation
  WHERE died_by = 'realloc'
  UNION ALL
  SELECT profile_id, born_event, site_id, address, size, NULL, NULL
  FROM allocation
  WHERE born_by = 'realloc'
)
GROUP BY profile_id, event;
