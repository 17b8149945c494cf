-- realloc_chains - Which blocks were made larger again and again?
--
-- A table or a buffer that grows step by step is one chain of reallocations,
-- and each step may copy all of it. One row holds the chains that begin on one
-- line and end on another, or the same; needs the rows of single blocks.
--
-- site         the line that began the chains
-- last_site    the line of their last reallocation
-- chains       how many
-- reallocs     the reallocations in them
-- longest      the reallocations in the longest of them
-- first_size   the mean size of a block at the beginning of its chain, bytes
-- last_size    the mean size at its end
-- moved_bytes  the old sizes of all the reallocations: what may be copied
-- live_bytes   the bytes of the blocks that are alive at the end
WITH RECURSIVE
chosen AS (
  SELECT coalesce(:profile, (SELECT max(profile_id) FROM profile)) AS id
),
-- All lives that continue one; SQLite makes an index of these for the join.
continued AS MATERIALIZED (
  SELECT realloc_of, born_event, died_by, site_id, size
  FROM allocation
  WHERE profile_id = (SELECT id FROM chosen)
    AND realloc_of IS NOT NULL
),
step (first_id, first_site_id, first_size, nth, born_event, died_by,
  last_site_id, size) AS (
  SELECT
    allocation_id, site_id, size, born_by = 'realloc', born_event, died_by,
    site_id, size
  FROM allocation
  WHERE profile_id = (SELECT id FROM chosen)
    AND born_event IS NOT NULL
    AND realloc_of IS NULL
    AND (born_by = 'realloc' OR died_by = 'realloc')
  UNION ALL
  SELECT
    s.first_id, s.first_site_id, s.first_size, s.nth + 1, a.born_event,
    a.died_by, a.site_id, a.size
  FROM step AS s
  JOIN continued AS a ON a.realloc_of = s.born_event
  WHERE s.died_by = 'realloc'
),
-- The last row of a chain, by SQLite's rule for columns beside a max().
chain AS (
  SELECT
    first_site_id, first_size, last_site_id,
    max(nth) AS steps,
    size AS last_size,
    sum(size) - size AS moved_bytes,
    CASE WHEN died_by IS NULL THEN size ELSE 0 END AS live_bytes
  FROM step
  GROUP BY first_id
)
SELECT
  f.name AS site,
  l.name AS last_site,
  count(*) AS chains,
  sum(c.steps) AS reallocs,
  max(c.steps) AS longest,
  round(avg(c.first_size), 1) AS first_size,
  round(avg(c.last_size), 1) AS last_size,
  sum(c.moved_bytes) AS moved_bytes,
  sum(c.live_bytes) AS live_bytes
FROM chain AS c
JOIN site AS f ON f.site_id = c.first_site_id
JOIN site AS l ON l.site_id = c.last_site_id
WHERE c.steps > 0
GROUP BY f.site_id, l.site_id
ORDER BY moved_bytes DESC, reallocs DESC, site, last_site,
  f.site_id, l.site_id;
