-- profiles - Which profiles are there?
--
-- profile   its number, for :profile
-- labels    its labels, as key=value
-- source    the stream's file, or the first one of several
-- stored    when it was stored, in UTC
-- complete  1 if its streams were read up to their closing bytes, else 0
-- events    the allocations, reallocations and frees in it
-- blocks    its blocks alive at the end
-- bytes     their bytes
SELECT
  p.profile_id AS profile,
  (
    SELECT group_concat(key || '=' || value, ' ')
    FROM (
      SELECT key, value
      FROM label
      WHERE label.profile_id = p.profile_id
      ORDER BY key
    )
  ) AS labels,
  p.source,
  datetime(p.stored_at_s, 'unixepoch') AS stored,
  p.complete,
  p.events,
  p.live_blocks AS blocks,
  p.live_bytes AS bytes
FROM profile AS p
ORDER BY p.profile_id;
