-- heap_over_time - How large was the heap as the recording went on?
--
-- Blocks whose birth was recorded, at no more than 1,024 moments.
--
-- event            the event after which this was so
-- time_s           when, in seconds since the start, NULL if not known
-- blocks           the blocks alive
-- bytes            their bytes
-- change           how much more that is than in the row before
-- peak_percent     the bytes as a part of the recording's peak
-- allocated_bytes  the bytes that blocks begun since the row before took
-- marks            the labels of marks since the row before, NULL if none
-- collections      the full garbage collections that have ended since then, of
--                  those that the stream tells
SELECT
  h.event,
  h.time_s,
  h.blocks,
  h.bytes,
  h.change,
  h.peak_percent,
  h.allocated_bytes,
  (
    SELECT group_concat(label, ', ')
    FROM (
      SELECT label
      FROM mark
      WHERE mark.profile_id = h.profile_id
        AND mark.event > h.event_before AND mark.event <= h.event
      ORDER BY mark.event, mark.number
    )
  ) AS marks,
  (
    SELECT count(*)
    FROM collection
    WHERE collection.profile_id = h.profile_id
      AND collection.event > h.event_before AND collection.event <= h.event
  ) AS collections
FROM (
  SELECT
    h.profile_id,
    h.event,
    lag(h.event, 1, -1) OVER (ORDER BY h.event) AS event_before,
    h.time_s,
    h.live_blocks AS blocks,
    h.live_bytes AS bytes,
    h.live_bytes - lag(h.live_bytes, 1, 0) OVER (ORDER BY h.event) AS change,
    round(100.0 * h.live_bytes / nullif(p.peak_bytes, 0), 1) AS peak_percent,
    h.begun_bytes - lag(h.begun_bytes, 1, 0) OVER (ORDER BY h.event)
      AS allocated_bytes
  FROM heap_sample AS h
  JOIN profile AS p ON p.profile_id = h.profile_id
  WHERE h.profile_id
    = coalesce(:profile, (SELECT max(profile_id) FROM profile))
) AS h
ORDER BY h.event;
