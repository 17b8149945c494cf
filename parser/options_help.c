/*
 * options_help.c - what --help says.
 */
#include <stdio.h>

#include "options.h"
#include "report.h"
#include "store.h"

static const char help_head[] =
	"Usage: memparse [OPTIONS] FILE...\n"
	"\n"
	"Reads memory profiles that LuaJIT's memprof recorded and tells which "
	"lines\n"
	"allocate, and which own the memory that was not freed.\n"
	"\n"
	"FILE is a stream of events, plain or zstd (its content tells), a "
	"database\n"
	"that memparse -o made, or - for a stream on standard input. Several "
	"make one\n"
	"report over all. Options may stand before, between and behind the "
	"files.\n"
	"\n"
	"What to report:\n"
	"      --leak-only        only the HEAP SUMMARY: what is alive at the "
	"end,\n"
	"                         and the texts behind names like "
	"function_alias_1\n"
	"      --human-readable   KiB, MiB and GiB instead of bytes\n"
	"  -q, --query=NAME|FILE  rows of a query instead: one of those below, "
	"or the\n"
	"                         one SELECT in a file of your own\n"
	"      --param=NAME=VALUE sets a parameter of the query, such as "
	"events=50\n"
	"      --profile=N        of a database, profile N instead of the "
	"newest\n"
	"  -f, --format=FORMAT    text, box, csv, json, markdown or html; "
	"but for text\n"
	"                         this means -q leaks if there is no -q; the "
	"last -f counts.\n"
	"                         junit, sarif (2.1.0): for CI systems, the "
	"lines that\n"
	"                         hold memory at the end, and what limits say "
	"of them\n"
	"      --compare=A..B     of a database, what holds more in B than in "
	"A, or less: A\n"
	"                         and B are numbers of profiles or KEY=VALUE, "
	"all that bear\n"
	"                         the label together; KEY=A..B will do\n"
	"      --compare          of two streams, the old one first\n"
	"      --by=site|stack    what to compare; site if nothing is said\n"
	"      --dump             all symbols and events, one a line, as they "
	"come:\n"
	"                           lua ADDRESS NAME LINE | c ADDRESS NAME\n"
	"                           trace NUMBER PROTOTYPE LINE\n"
	"                           alloc SOURCE ADDRESS SIZE  # EVENT SITE\n"
	"                           free SOURCE ADDRESS SIZE  # EVENT SITE\n"
	"                           realloc SOURCE OLD SIZE NEW SIZE  # EVENT "
	"SITE\n"
	"                         SOURCE is int, lua PROTOTYPE:LINE, c "
	"ADDRESS,\n"
	"                         trace:NUMBER or, where there are stacks, "
	"@CALLSITE;\n"
	"                         a record of such a stream is a line of its "
	"own\n"
	"\n"
	"What part of it:\n"
	"      --focus=RE         only blocks with a frame on their stack that "
	"matches\n"
	"                         the regular expression, POSIX extended; a "
	"frame is\n"
	"                         function (chunk:line)\n"
	"      --ignore=RE        only those without such a frame\n"
	"      --from=MARK        as if recording had begun at this mark of "
	"the program\n"
	"      --to=MARK          as if it had ended at this one\n"
	"\n"
	"What must not be, with any report (status 1, and why):\n"
	"      --max-leak=SIZE    more than SIZE alive at the end, over all "
	"lines\n"
	"      --max-leak-at=PATTERN=SIZE  more than SIZE at a line whose "
	"name matches\n"
	"                         the shell pattern; may be repeated\n"
	"      --fail-on=growing  a line that grows, as -q verdicts tells\n"
	"      --max-growth=SIZE|N%  of --compare, so much more than before\n"
	"      --fail-on=new      of --compare, a line that held nothing "
	"before\n"
	"      --fail-on=grown    or one that held less\n"
	"      --suppressions=FILE  leaks that are known: lines leak:PATTERN, "
	"where *\n"
	"                         is any text, ^ the begin, $ the end; PATTERN "
	"may be\n"
	"                         anywhere in the name of the line, or of a "
	"frame of\n"
	"                         its stack; # begins a remark\n"
	"\n"
	"What to leave for other tools:\n"
	"      --export=FORMAT:FILE  instead of a report; - is standard "
	"output\n"
	"                         pprof       go tool pprof, Pyroscope, "
	"Parca\n"
	"                         collapsed   a line a stack: flamegraph.pl\n"
	"                         speedscope  JSON: speedscope.app\n"
	"                         dot, svg    call graph: GraphViz, which svg "
	"runs\n"
	"      --metric=METRIC    inuse_space (if nothing is said), "
	"inuse_objects,\n"
	"                         alloc_space or alloc_objects, where a "
	"format has one\n"
	"      --to-v3=OUT        the stream as one of version 3, which other "
	"readers take:\n"
	"                         the same report, but no stacks, times and "
	"marks. If it\n"
	"                         is cut, OUT ends there (status 3). OUT is "
	"compressed if\n"
	"                         it ends in .zst; - is standard output\n"
	"\n"
	"What to keep:\n"
	"  -o, --output=DB        store the streams in an SQLite database, a "
	"profile\n"
	"                         each; one that exists is added to, all or "
	"nothing.\n"
	"                         Prints a report only if --leak-only, -q or "
	"-f asks\n"
	"                         A stream that it has already is skipped\n"
	"      --summary          without the rows of single blocks: small and "
	"quick,\n"
	"                         enough for the queries below that bear no *\n"
	"      --label=KEY=VALUE  a label for what is stored, such as "
	"build=1234; again\n"
	"                         for more of them\n"
	"      --one-profile      all streams make one profile, as the "
	"processes of one\n"
	"                         program do\n"
	"      --source=DIR       reads the Lua sources below DIR, so that "
	"lines "
	"are known\n"
	"                         again by their text when code has moved\n"
	"      --list             the profiles of a database\n"
	"      --drop=N|KEY=VALUE drops profile N, or all that bear a label; "
	"SQLite uses\n"
	"                         the room again, its VACUUM gives it back\n"
	"      --keep=N           drops all but the newest N profiles of each "
	"set of\n"
	"                         labels, in which build does not count\n"
	"\n"
	"      --memory=SIZE      bounds what only strange streams need, each: "
	"the "
	"window of\n"
	"                         zstd (8M without it) and the tables of sites "
	"(780M);\n"
	"                         SIZE is in bytes, or has K, M or G behind "
	"it\n"
	"  -h, --help             this text\n"
	"      --version          the version\n"
	"\n"
	"Queries (* needs the rows of single blocks):\n";

static const char help_tail[] =
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  1  a limit that you set was exceeded\n"
	"  2  wrong usage; a database that is not memparse's or of another "
	"version\n"
	"  3  the content is not a complete stream: empty, no stream, an "
	"unknown\n"
	"     version, corrupt, cut; what came before it is reported and "
	"kept;\n"
	"     so is a database's profile of such a stream\n"
	"  4  the system refused: no such file, disk full, no memory; nothing "
	"is left\n"
	"     behind\n"
	"With several files the highest counts. Only data goes to standard "
	"output,\n"
	"messages go to standard error.\n"
	"\n"
	"Examples:\n"
	"  memparse --leak-only memprof.bin\n"
	"  memparse memprof.bin -q top_allocators -f box\n"
	"  memparse memprof.bin.zst -o memprof.db && sqlite3 memprof.db\n"
	"  memparse memprof.bin -q callers_of --param site=%/util.lua:12\n"
	"  memparse memprof.bin --focus='^handle ' --export=pprof:heap.pb.gz\n"
	"  sqlite3 -box memprof.db < queries/leaks.sql\n";

/* Asks SQLite whether a query needs rows of blocks: nothing to keep in step. */
static bool needs_blocks(sqlite3 *db, const char *name)
{
	struct report r;
	bool needs;

	if (db == NULL)
		return false;
	report_prepare(&r, db, report_find(name));
	needs = r.needs_blocks;
	report_close(&r);
	return needs;
}

void options_print_help(void)
{
	const char *name, *question;
	struct store *store = NULL;
	sqlite3 *db = NULL;
	int length;

	if (store_open(&store, NULL, true) == STORE_OK)
		db = store_database(store);
	fputs(help_head, stdout);
	for (unsigned i = 0; (length = report_list(i, &name, &question)) >= 0;
	     i++)
		printf("  %c %-15s %.*s\n", needs_blocks(db, name) ? '*' : ' ',
		       name, length, question);
	fputs(help_tail, stdout);
	store_close(store);
}
