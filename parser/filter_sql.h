/*
 * filter_sql.h - the statements of filter.c, in their order.
 *
 * The parameters: ?1 the profile, ?2 the event after which and ?3 the event
 * up to which it is asked for, ?4 to be strict: what was born on an unknown
 * stack does not count.
 */
#ifndef MEMPARSE_FILTER_SQL_H
#define MEMPARSE_FILTER_SQL_H

#include "store_columns.h"

/* The lives, cut to the window. */
static const char *const filter_lives[] = {
	"INSERT INTO temp.allocation_data (allocation_id, callsite_id, "
	"died_callsite_id, born_event, died_event, realloc_of, address, size, "
	"how) "
	"SELECT allocation_id, "
	"CASE WHEN born_event > ?2 THEN callsite_id END, "
	"CASE WHEN died_event <= ?3 THEN died_callsite_id END, "
	"CASE WHEN born_event > ?2 THEN born_event END, "
	"CASE WHEN died_event <= ?3 THEN died_event END, "
	"CASE WHEN realloc_of > ?2 THEN realloc_of END, "
	"address, size, how "
	"FROM main.profile_data AS p CROSS JOIN main.allocation_data AS a "
	"ON a.allocation_id >= p.first_allocation_id "
	"AND a.allocation_id < p.end_allocation_id "
	"WHERE p.profile_id = ?1 "
	"AND (born_event > ?2 AND born_event <= ?3 "
	"OR (born_event IS NULL OR born_event <= ?2) "
	"AND died_event > ?2 AND died_event <= ?3) "
	"AND (callsite_id IN (SELECT callsite_id FROM temp.filter_callsite) "
	"OR callsite_id IS NULL AND NOT ?4)",
	/* What a block continues may have been on another stack. */
	"UPDATE temp.allocation_data SET realloc_of = NULL "
	"WHERE realloc_of IS NOT NULL AND ?4 IS NOT NULL AND realloc_of NOT IN "
	"(SELECT born_event FROM temp.allocation_data "
	"WHERE how & 2 AND born_event IS NOT NULL)",
	NULL,
};

/* What callsites began, and what they ended. */
static const char *const filter_sums[] = {
	"CREATE TEMP TABLE filter_born AS SELECT callsite_id, "
	"count(*) FILTER (WHERE NOT how & 1) AS alloc_events, "
	"coalesce(sum(size) FILTER (WHERE NOT how & 1), 0) AS alloc_bytes, "
	"count(*) FILTER (WHERE how & 1) AS realloc_events, "
	"coalesce(sum(size) FILTER (WHERE how & 1), 0) AS realloc_new_bytes, "
	"count(*) AS born_blocks, "
	"count(died_event) AS ended_blocks, "
	"coalesce(sum(size) FILTER (WHERE died_event IS NOT NULL), 0) "
	"AS ended_bytes, "
	"count(*) - count(died_event) AS live_blocks, "
	"coalesce(sum(size) FILTER (WHERE died_event IS NULL), 0) "
	"AS live_bytes, "
	"min(born_event) AS first_event, max(born_event) AS last_event "
	"FROM temp.allocation_data WHERE born_event IS NOT NULL "
	"GROUP BY callsite_id",

	"CREATE TEMP TABLE filter_died AS SELECT died_callsite_id, "
	"count(*) FILTER (WHERE how & 2 AND died_event NOT IN "
	"(SELECT born_event FROM temp.allocation_data "
	"WHERE how & 1 AND born_event IS NOT NULL)) AS realloc_events, "
	"coalesce(sum(size) FILTER (WHERE how & 2 AND born_event IS NOT NULL), "
	"0) AS realloc_old_bytes, "
	"count(*) FILTER (WHERE NOT how & 2 AND born_event IS NOT NULL) "
	"AS free_events, "
	"coalesce(sum(size) FILTER (WHERE NOT how & 2 "
	"AND born_event IS NOT NULL), 0) AS free_bytes, "
	"count(*) FILTER (WHERE NOT how & 2 AND born_event IS NULL) "
	"AS earlier_free_events, "
	"coalesce(sum(size) FILTER (WHERE NOT how & 2 AND born_event IS NULL), "
	"0) AS earlier_free_bytes, "
	"count(*) FILTER (WHERE how & 2 AND born_event IS NULL) "
	"AS earlier_realloc_events, "
	"coalesce(sum(size) FILTER (WHERE how & 2 AND born_event IS NULL), 0) "
	"AS earlier_realloc_bytes "
	"FROM temp.allocation_data "
	"WHERE died_event IS NOT NULL AND NOT how & 4 "
	"GROUP BY died_callsite_id",

	"INSERT INTO temp.callsite_data SELECT c.callsite_id, c.profile_id, "
	"c.parent_id, c.frame_id, c.site_id, c.depth, c.place, c.last_place, "
	"coalesce(b.born_blocks, 0), "
	"coalesce(b.alloc_bytes + b.realloc_new_bytes, 0), "
	"coalesce(b.live_blocks, 0), coalesce(b.live_bytes, 0), "
	"b.first_event, b.last_event "
	"FROM main.callsite_data AS c LEFT JOIN temp.filter_born AS b "
	"USING (callsite_id) WHERE c.profile_id = ?1",

	/* Zeros first: every site is there. */
	"INSERT INTO temp.site_data SELECT * FROM main.site_data "
	"WHERE profile_id = ?1",

	"INSERT INTO temp.signature_data SELECT * FROM main.signature_data "
	"WHERE signature_id IN (SELECT signature_id FROM temp.site_data)",

	"CREATE TEMP TABLE filter_site AS SELECT c.site_id, "
	"sum(b.alloc_events) AS alloc_events, "
	"sum(b.alloc_bytes) AS alloc_bytes, "
	"sum(b.realloc_events) AS born_realloc_events, "
	"sum(b.realloc_new_bytes) AS realloc_new_bytes, "
	"sum(b.born_blocks) AS born_blocks, "
	"sum(b.ended_blocks) AS ended_blocks, "
	"sum(b.ended_bytes) AS ended_bytes, "
	"sum(b.live_blocks) AS live_blocks, "
	"sum(b.live_bytes) AS live_bytes, "
	"min(b.first_event) AS first_event, max(b.last_event) AS last_event, "
	"sum(d.realloc_events) AS realloc_events, "
	"sum(d.realloc_old_bytes) AS realloc_old_bytes, "
	"sum(d.free_events) AS free_events, sum(d.free_bytes) AS free_bytes, "
	"sum(d.earlier_free_events) AS earlier_free_events, "
	"sum(d.earlier_free_bytes) AS earlier_free_bytes, "
	"sum(d.earlier_realloc_events) AS earlier_realloc_events, "
	"sum(d.earlier_realloc_bytes) AS earlier_realloc_bytes "
	"FROM main.callsite_data AS c "
	"LEFT JOIN temp.filter_born AS b ON b.callsite_id = c.callsite_id "
	"LEFT JOIN temp.filter_died AS d ON d.died_callsite_id = c.callsite_id "
	"WHERE c.profile_id = ?1 GROUP BY c.site_id",

	"UPDATE temp.site_data AS s SET "
	"alloc_events = coalesce(f.alloc_events, 0), "
	"alloc_bytes = coalesce(f.alloc_bytes, 0), "
	"realloc_events = coalesce(f.born_realloc_events, 0) "
	"+ coalesce(f.realloc_events, 0), "
	"realloc_new_bytes = coalesce(f.realloc_new_bytes, 0), "
	"realloc_old_bytes = coalesce(f.realloc_old_bytes, 0), "
	"free_events = coalesce(f.free_events, 0), "
	"free_bytes = coalesce(f.free_bytes, 0), "
	"earlier_free_events = coalesce(f.earlier_free_events, 0), "
	"earlier_free_bytes = coalesce(f.earlier_free_bytes, 0), "
	"earlier_realloc_events = coalesce(f.earlier_realloc_events, 0), "
	"earlier_realloc_bytes = coalesce(f.earlier_realloc_bytes, 0), "
	"failed_events = 0, failed_bytes = 0, "
	"born_blocks = coalesce(f.born_blocks, 0), "
	"ended_blocks = coalesce(f.ended_blocks, 0), "
	"ended_bytes = coalesce(f.ended_bytes, 0), "
	"live_blocks = coalesce(f.live_blocks, 0), "
	"live_bytes = coalesce(f.live_bytes, 0), "
	"first_event = f.first_event, last_event = f.last_event "
	"FROM temp.filter_site AS f WHERE f.site_id = s.site_id",

	"INSERT INTO temp.site_override_data SELECT ?1, d.site_id, b.site_id, "
	"a.how >> 1 & 1, count(*), sum(a.size) "
	"FROM temp.allocation_data AS a "
	"JOIN main.callsite_data AS b ON b.callsite_id = a.callsite_id "
	"JOIN main.callsite_data AS d ON d.callsite_id = a.died_callsite_id "
	"WHERE a.born_event IS NOT NULL AND a.died_event IS NOT NULL "
	"AND NOT a.how & 4 "
	"GROUP BY d.site_id, b.site_id, a.how >> 1 & 1",
	NULL,
};

/* Moments, and the heap at them. */
static const char *const filter_times[] = {
	"INSERT INTO temp.clock_data SELECT * FROM main.clock_data "
	"WHERE profile_id = ?1 AND event >= ?2 AND event <= ?3",

	"INSERT INTO temp.mark_data SELECT profile_id, event, "
	"row_number() OVER (ORDER BY number), time_us, label "
	"FROM main.mark_data "
	"WHERE profile_id = ?1 AND event >= ?2 AND event <= ?3",

	"INSERT INTO temp.collection_data SELECT profile_id, event, "
	"row_number() OVER (ORDER BY number), began_event, time_us, reason "
	"FROM main.collection_data "
	"WHERE profile_id = ?1 AND event >= ?2 AND event <= ?3",

	"CREATE TEMP TABLE filter_point (event INTEGER PRIMARY KEY, time_us)",

	"INSERT INTO temp.filter_point SELECT event, time_us "
	"FROM main.heap_sample_data "
	"WHERE profile_id = ?1 AND event > ?2 AND event <= ?3",

	/* The end of the window. */
	"INSERT OR IGNORE INTO temp.filter_point SELECT min(events, ?3), "
	"(SELECT time_us FROM temp.clock_data WHERE event <= ?3 "
	"ORDER BY event DESC LIMIT 1) FROM main.profile_data "
	"WHERE profile_id = ?1 AND min(events, ?3) > ?2 AND EXISTS "
	"(SELECT 1 FROM main.heap_sample_data WHERE profile_id = ?1)",

	"INSERT INTO temp.heap_sample_data SELECT ?1, p.event, p.time_us, "
	"sum(coalesce(s.blocks, 0)) OVER (ORDER BY p.event), "
	"sum(coalesce(s.bytes, 0)) OVER (ORDER BY p.event), "
	"sum(coalesce(s.begun, 0)) OVER (ORDER BY p.event) "
	"FROM temp.filter_point AS p LEFT JOIN ("
	"SELECT point, sum(blocks) AS blocks, sum(bytes) AS bytes, "
	"sum(begun) AS begun FROM ("
	"SELECT (SELECT event FROM temp.filter_point WHERE event >= born_event "
	"ORDER BY event LIMIT 1) AS point, 1 AS blocks, size AS bytes, "
	"size AS begun FROM temp.allocation_data "
	"WHERE born_event IS NOT NULL "
	"UNION ALL "
	"SELECT (SELECT event FROM temp.filter_point WHERE event >= died_event "
	"ORDER BY event LIMIT 1), -1, -size, 0 FROM temp.allocation_data "
	"WHERE born_event IS NOT NULL AND died_event IS NOT NULL) "
	"GROUP BY point) AS s ON s.point = p.event",
	NULL,
};

#define FILTER_SUM_TEXT(name)                                                  \
#name " = (SELECT coalesce(sum(" #name "), 0) FROM temp.site_data), "

/* The profile's own row. */
static const char *const filter_profile[] = {
	"INSERT INTO temp.profile_data SELECT * FROM main.profile_data "
	"WHERE profile_id = ?1",

	"UPDATE temp.profile_data SET " STORE_FIGURES(
		FILTER_SUM_TEXT) "events = min(events, ?3), "
				 "first_live_id = first_allocation_id, "
				 "duration_us = (SELECT max(time_us) FROM "
				 "temp.clock_data), "
				 "replaced_blocks = (SELECT count(*) FROM "
				 "temp.allocation_data "
				 "WHERE how & 4 AND died_event IS NOT NULL AND "
				 "born_event IS NOT NULL), "
				 "replaced_bytes = (SELECT coalesce(sum(size), "
				 "0) "
				 "FROM temp.allocation_data "
				 "WHERE how & 4 AND died_event IS NOT NULL AND "
				 "born_event IS NOT NULL)",

	"WITH heap AS (SELECT event, sum(sum(bytes)) OVER (ORDER BY event) "
	"AS bytes FROM ("
	"SELECT born_event AS event, size AS bytes FROM temp.allocation_data "
	"WHERE born_event > (SELECT earlier_stream_events FROM "
	"temp.profile_data) "
	"UNION ALL "
	"SELECT died_event, -size FROM temp.allocation_data "
	"WHERE born_event > (SELECT earlier_stream_events FROM "
	"temp.profile_data) "
	"AND died_event IS NOT NULL) "
	"GROUP BY event), "
	"peak AS (SELECT event, bytes FROM heap WHERE bytes > 0 "
	"ORDER BY bytes DESC, event LIMIT 1) "
	"UPDATE temp.profile_data SET "
	"peak_event = (SELECT event FROM peak), "
	"peak_bytes = coalesce((SELECT bytes FROM peak), 0)",
	NULL,
};

#endif
