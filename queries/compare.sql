-- compare - Which lines hold more, or less, than in another profile?
--
-- :base and :head choose what is compared: a profile's number, or a label as
-- key=value, all profiles that bear it together; without them the newest is
-- compared with the one before. Lines are the same ones if their signatures
-- are, see the view site. :all 1 also lists what holds as much as before.
--
-- status         new (held nothing before), grown, shrunk, gone, or same
-- site           the line, where it is now, or where it was; of several with
--                one signature the one that holds most
-- change         by how many bytes it holds more at the end, or less
-- before_bytes, before_blocks, after_bytes, after_blocks
--                the bytes and blocks that it held and holds at the end
-- before_allocs, after_allocs
--                how many lives of blocks it began
-- before_churn, after_churn
--                the bytes of those that ended
-- signature      what the line is known by
WITH
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
sums AS (
  SELECT
    coalesce(s.signature, s.name) AS signature,
    s.signature_kind,
    -- Of lines with one signature the one that holds most.
    coalesce(
      substr(
        max((s.live_blocks > 0) || printf('%019d', s.live_bytes) || s.name)
          FILTER (WHERE is_head),
        21
      ),
      substr(
        max((s.live_blocks > 0) || printf('%019d', s.live_bytes) || s.name),
        21
      )
    ) AS site,
    coalesce(sum(s.live_bytes) FILTER (WHERE NOT is_head), 0)
      AS before_bytes,
    coalesce(sum(s.live_blocks) FILTER (WHERE NOT is_head), 0)
      AS before_blocks,
    coalesce(sum(s.live_bytes) FILTER (WHERE is_head), 0)
      AS after_bytes,
    coalesce(sum(s.live_blocks) FILTER (WHERE is_head), 0)
      AS after_blocks,
    coalesce(sum(s.born_blocks) FILTER (WHERE NOT is_head), 0)
      AS before_allocs,
    coalesce(sum(s.born_blocks) FILTER (WHERE is_head), 0)
      AS after_allocs,
    coalesce(sum(s.ended_bytes) FILTER (WHERE NOT is_head), 0)
      AS before_churn,
    coalesce(sum(s.ended_bytes) FILTER (WHERE is_head), 0)
      AS after_churn
  FROM side
  CROSS JOIN site AS s ON s.profile_id = side.profile_id
  GROUP BY coalesce(s.signature, s.name), s.signature_kind
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
  site,
  after_bytes - before_bytes AS change,
  before_bytes,
  before_blocks,
  after_bytes,
  after_blocks,
  before_allocs,
  after_allocs,
  before_churn,
  after_churn,
  signature
FROM judged
WHERE status != 'same' OR coalesce(:all, 0)
ORDER BY change DESC, site, signature;
