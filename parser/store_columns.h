/*
 * store_columns.h - the figures of a site and of a profile, as columns.
 *
 * The columns of site_data and profile_data bear the names of the fields of
 * struct model_figures: one list serves writing and reading of both.
 */
#ifndef MEMPARSE_STORE_COLUMNS_H
#define MEMPARSE_STORE_COLUMNS_H

#define STORE_FIGURES(X)                                                       \
	X(alloc_events)                                                        \
	X(alloc_bytes)                                                         \
	X(realloc_events)                                                      \
	X(realloc_new_bytes)                                                   \
	X(realloc_old_bytes)                                                   \
	X(free_events)                                                         \
	X(free_bytes)                                                          \
	X(earlier_free_events)                                                 \
	X(earlier_free_bytes)                                                  \
	X(earlier_realloc_events)                                              \
	X(earlier_realloc_bytes)                                               \
	X(failed_events)                                                       \
	X(failed_bytes)                                                        \
	X(born_blocks)                                                         \
	X(ended_blocks)                                                        \
	X(ended_bytes)                                                         \
	X(live_blocks)                                                         \
	X(live_bytes)

/* For SQL text: ", name" and ", ?" for each of them. */
#define STORE_FIGURE_NAME(name) ", " #name
#define STORE_FIGURE_MARK(name) ", ?"
#define STORE_FIGURE_NAMES	STORE_FIGURES(STORE_FIGURE_NAME)
#define STORE_FIGURE_MARKS	STORE_FIGURES(STORE_FIGURE_MARK)

/* The words of site_data.kind, in the order of enum model_site_kind. */
#define STORE_KINDS                                                            \
	{                                                                      \
		"internal", "lua", "c", "unknown", "trace"                     \
	}

#endif
