/*
 * live_private.h - a table of live blocks inside: its two forms.
 *
 * live.c has the table and what is common; live_small.c and live_large.c have
 * a form each. An entry, with its history, is put where it will be found, or
 * taken out, and then others still are.
 */
#ifndef MEMPARSE_LIVE_PRIVATE_H
#define MEMPARSE_LIVE_PRIVATE_H

#include "live.h"

#define LIVE_CACHE_LINE 64u /* bytes */

/*
 * The lines of the first and of the last small table; these grow fast, as they
 * are in the cache anyway. A large one has a multiple of LIVE_GROUPS groups,
 * 2 MiB. With MODEL_TINY a table is large from the fifth block on, so that
 * tests get there.
 */
#ifdef MODEL_TINY
#define LIVE_SMALL_FIRST  1u
#define LIVE_SMALL_LAST	  2u
#define LIVE_SMALL_FASTER 2
#define LIVE_GROUPS	  4u
#else
#define LIVE_SMALL_FIRST  64u
#define LIVE_SMALL_LAST	  16384u
#define LIVE_SMALL_FASTER 4
#define LIVE_GROUPS	  8192u
#endif

/* The empty table of these lines, of others nothing is freed. False: memory. */
bool live_small_make(struct live *l, size_t cap);
void live_small_free(struct live *l);
struct live_entry *live_small_find(const struct live *l, uint64_t address,
				   uint64_t hash);
struct live_entry *live_small_put(struct live *l, const struct live_entry *e,
				  uint64_t hash, const struct live_history *h);
void live_small_take(struct live *l, struct live_entry *e);

/* The same with groups. An existing one grows, and may break. */
bool live_large_make(struct live *l);
bool live_large_grow(struct live *l);
void live_large_free(struct live *l);
struct live_entry *live_large_find(const struct live *l, uint64_t address,
				   uint64_t hash);
struct live_entry *live_large_put(struct live *l, const struct live_entry *e,
				  uint64_t hash, const struct live_history *h);
void live_large_take(struct live *l, struct live_entry *e);

/* What is put without history in a table that has none. */
extern const struct live_history live_unknown;

#endif
