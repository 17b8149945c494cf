/*
 * embedded_sql.h - the files of sqlschema/ and queries/, inside the program.
 *
 * The definitions are made by embed.cmake when the program is built.
 */
#ifndef MEMPARSE_EMBEDDED_SQL_H
#define MEMPARSE_EMBEDDED_SQL_H

struct embedded_sql {
	const char *name; /* of the file without .sql; NULL ends an array */
	const char *text; /* its bytes, terminated */
};

/* The schema in the order to apply it; the views are those of all views_*. */
enum {
	EMBEDDED_TABLES,
	EMBEDDED_VIEWS,
	EMBEDDED_INDEXES
};
extern const struct embedded_sql embedded_schema[];

/* The reports, in the order of their names. */
extern const struct embedded_sql embedded_queries[];

#endif
