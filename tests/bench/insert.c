/*
 * insert.c - how fast could the rows of blocks be stored at best?
 *
 *   bench-insert DB ROWS
 *
 * inserts so many rows of the shape of allocation_data, 32 a statement, into
 * a new database: pages of 16 KiB, no journal, one transaction.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS 8
#define ROWS	32
#define ROW	"(?,?,?,?,?,?,?,?)"
#define ROWS_4	ROW "," ROW "," ROW "," ROW
#define ROWS_16 ROWS_4 "," ROWS_4 "," ROWS_4 "," ROWS_4

static void must(sqlite3 *db, int result)
{
	if (result == SQLITE_OK || result == SQLITE_DONE)
		return;
	fprintf(stderr, "bench-insert: %s\n", sqlite3_errmsg(db));
	exit(1);
}

/* What a life looks like: born, gone a little later, a third reallocated. */
static void bind_row(sqlite3_stmt *stmt, int at, int64_t row)
{
	const int64_t values[COLUMNS] = {
		row % 200,
		row % 3 ? 1 : row % 197,
		2 * row,
		2 * row + 20000,
		2 * row - 5000,
		0x7f2200000010 + row * 7919 % (1 << 21),
		16 + row * 31 % 241 / 8 * 8,
		row % 3,
	};

	for (int i = 0; i < COLUMNS; i++) {
		if (i == 4 && row % 3 != 0)
			sqlite3_bind_null(stmt, at + i + 1);
		else
			sqlite3_bind_int64(stmt, at + i + 1, values[i]);
	}
}

static void insert(sqlite3 *db, int64_t rows)
{
	sqlite3_stmt *stmt;

	must(db,
	     sqlite3_prepare_v2(db,
				"INSERT INTO life (site_id, died_site_id, "
				"born_event, died_event, realloc_of, address, "
				"size, how) VALUES " ROWS_16 "," ROWS_16,
				-1, &stmt, NULL));
	for (int64_t row = 0; row < rows; row += ROWS) {
		for (int i = 0; i < ROWS; i++)
			bind_row(stmt, i * COLUMNS, row + i);
		must(db, sqlite3_step(stmt));
		sqlite3_reset(stmt);
	}
	must(db, sqlite3_finalize(stmt));
}

int main(int argc, char **argv)
{
	sqlite3 *db;

	if (argc != 3)
		return 2;
	remove(argv[1]);
	must(NULL, sqlite3_open(argv[1], &db));
	must(db,
	     sqlite3_exec(
		     db,
		     "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF;"
		     "PRAGMA locking_mode = EXCLUSIVE;"
		     "PRAGMA synchronous = OFF;"
		     "CREATE TABLE life (life_id INTEGER PRIMARY KEY, "
		     "site_id INTEGER, died_site_id INTEGER, born_event "
		     "INTEGER, died_event INTEGER, realloc_of INTEGER, address "
		     "INTEGER NOT NULL, size INTEGER NOT NULL, how INTEGER "
		     "NOT NULL) STRICT; BEGIN",
		     NULL, NULL, NULL));
	insert(db, strtoll(argv[2], NULL, 10));
	must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
	must(db, sqlite3_close(db));
	return 0;
}
