-- compare_stacks - Which paths of calls hold more, or less, than before?
--
-- As compare does, but by stack: two are the same one if the signatures of
-- their lines are and the functions that led there bear the same names, those
-- without a name that of their chunk. A recording without stacks has paths of
-- one line.
--
-- status         new (held nothing before), grown, shrunk, gone, or same
-- stack          the path, the line's frame first, as it is now, or was; of
--                several with one signature the one that holds most
-- change         by how many bytes it holds more at the end, or less
-- before_bytes, before_blocks, after_bytes, after_blocks
--                the bytes and blocks that it held and holds at the end
-- before_allocs, after_allocs
--                how many lives of blocks it began
-- signature      the signature of its line, and the functions that called it
WITH RECURSIVE
side AS (
  SELECT profile_id, 0 AS is_head
  FROM profile
  WHERE profile_id = coalesce(:base, (
    SELECT max(profile_id)
    FROM profile
    WHERE profile_id < (SELECT max(profile_id) FROM profile)
  ))
  UNION
  SELECT profile_id, 0
  FROM label
  WHERE key = substr(:base, 1, instr(:base, '=') - 1)
    AND value = substr(:base, instr(:base, '=') + 1)
  UNION
  SELECT profile_id, 1
  FROM profile
  WHERE profile_id = coalesce(:head, (SELECT max(profile_id) FROM profile))
  UNION
  SELECT profile_id, 1
  FROM label
  WHERE key = substr(:head, 1, instr(:head, '=') - 1)
    AND value = substr(:head, instr(:head, '=') + 1)
),
-- The paths that hold anything, or did, or may hold the same.
leaf AS MATERIALIZED (
  SELECT
    c.callsite_id,
    side.is_head,
    c.frame_id,
    c.parent_id,
    coalesce(s.signature, s.name) AS signature,
    c.self_live_bytes AS bytes,
    c.self_live_blocks AS blocks,
    c.self_born_blocks AS allocs
  FROM side
  CROSS JOIN callsite AS c ON c.profile_id = side.profile_id
  JOIN site AS s ON s.site_id = c.site_id
  WHERE c.self_born_blocks > 0
),
path (callsite_id, is_head, nth, parent_id, names, functions) AS (
  SELECT
    l.callsite_id, l.is_head, 1, l.parent_id, f.name,
    -- Where the innermost frame is not the line, its function counts.
    CASE
      WHEN f.kind = 'lua' OR l.parent_id IS NULL THEN ''
      ELSE ' <- ' || coalesce(f.function_name, f.chunk, f.name)
    END
  FROM leaf AS l
  JOIN frame AS f ON f.frame_id = l.frame_id
  UNION ALL
  SELECT
    p.callsite_id, p.is_head, p.nth + 1, c.parent_id,
    p.names || ' <- ' || f.name,
    p.functions || ' <- ' || coalesce(f.function_name, f.chunk, f.name)
  FROM path AS p
  CROSS JOIN callsite AS c ON c.callsite_id = p.parent_id
  JOIN frame AS f ON f.frame_id = c.frame_id
),
known AS (
  SELECT
    l.is_head, p.names, l.bytes, l.blocks, l.allocs,
    l.signature || p.functions AS signature
  FROM path AS p
  JOIN leaf AS l USING (callsite_id, is_head)
  WHERE p.parent_id IS NULL
),
sums AS (
  SELECT
    signature,
    -- Of paths with one signature the one that holds most.
    coalesce(
      substr(
        max((blocks > 0) || printf('%019d', bytes) || names)
          FILTER (WHERE is_head),
        21
      ),
      substr(
        max((blocks > 0) || printf('%019d', bytes) || names),
        21
      )
    ) AS stack,
    coalesce(sum(bytes) FILTER (WHERE NOT is_head), 0)
      AS before_bytes,
    coalesce(sum(blocks) FILTER (WHERE NOT is_head), 0)
      AS before_blocks,
    coalesce(sum(bytes) FILTER (WHERE is_head), 0)
      AS after_bytes,
    coalesce(sum(blocks) FILTER (WHERE is_head), 0)
      AS after_blocks,
    coalesce(sum(allocs) FILTER (WHERE NOT is_head), 0)
      AS before_allocs,
    coalesce(sum(allocs) FILTER (WHERE is_head), 0)
      AS after_allocs
  FROM known
  GROUP BY signature
),
judged AS (
  SELECT
    CASE
      WHEN before_blocks = after_blocks AND before_bytes = after_bytes
        THEN 'same'
      WHEN before_blocks = 0 THEN 'new'
      WHEN after_blocks = 0 THEN 'gone'
      WHEN (after_bytes, after_blocks) > (before_bytes, before_blocks)
        THEN 'grown'
      ELSE 'shrunk'
    END AS status,
    *
  FROM sums
)
SELECT
  status,
  stack,
  after_bytes - before_bytes AS change,
  before_bytes,
  before_blocks,
  after_bytes,
  after_blocks,
  before_allocs,
  after_allocs,
  signature
FROM judged
WHERE status != 'same' OR coalesce(:all, 0)
ORDER BY change DESC, stack, signature;
