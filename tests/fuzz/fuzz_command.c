/*
 * fuzz_command.c - any bytes as a command line, and the query it may name.
 *
 * The whole of main.c runs, in a folder of its own with streams and databases
 * in it. Whatever is asked: an exit status of those in the help, words on
 * standard error if it is not 0, nothing left behind but what -o names, and
 * of a failure nothing at all.
 *
 * The bytes are words, up to 24, each a choice from the list below, or after
 * 0xff a text of its own that ends with a zero. After 0xfe comes the text of
 * the file mine.sql.
 */
#define _GNU_SOURCE /* strcasestr */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "ljm_text.h"

int memparse_main(int argc, char **argv);

#define WORDS	  24
#define WORD_SIZE 64
#define SQL_SIZE  400

static const char *const choices[] = {
	"app",
	"cut",
	"app.zst",
	"db",
	"cutdb",
	"new",
	"empty",
	"text",
	"folder",
	"missing",
	"-",
	"--",
	"mine.sql",
	"--leak-only",
	"--summary",
	"--dump",
	"--help",
	"--human-readable",
	"--version",
	"-o",
	"--output",
	"--output=new",
	"-q",
	"--query=leaks",
	"churn",
	"leaks",
	"top_allocators",
	"growth_by_line",
	"lifetimes",
	"largest_blocks",
	"heap_over_time",
	"realloc_chains",
	"-f",
	"-fcsv",
	"-fjson",
	"-fbox",
	"-fmarkdown",
	"-ftext",
	"--profile=1",
	"--profile",
	"--memory",
	"--memory=16M",
	"-qmine.sql",
	"-onew",
	"--output=db",
	"7",
	"-h",
	"",
	"--to-v3=-",
};
#define CHOICES (sizeof(choices) / sizeof(*choices))

/* What is in the folder; all else is swept out after a run. */
static const char *const kept[] = {
	"app", "cut", "app.zst", "empty", "text", "folder", "db.kept", "cutdb",
};

static const char app_text[] = "ljs 3\n"
			       "lua 0x1000 \"@a\\x1b\\\"|,\\xff.lua\" 1\n"
			       "lua 0x1100 \"two\\x0alines\" 1\n"
			       "c 0x2000 \"f\"\n"
			       "ljm 3\n"
			       "alloc lua 0x1000:5 0x10 32\n"
			       "alloc c 0x2001 0x20 33\n"
			       "realloc lua 0x1100:1 0x10 32 0x30 64\n"
			       "free int 0x20 33\n"
			       "realloc lua 0x1100:2 0x30 64 0x30 640\n"
			       "end\n";

/* ---- the folder */

static void put_file(const char *name, const void *data, size_t size)
{
	const int fd =
		open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	CHECK(fd >= 0);
	CHECK(size == 0 || write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 20];
	const int fd = open(from, O_RDONLY | O_CLOEXEC);
	const ssize_t size = read(fd, bytes, sizeof(bytes));

	CHECK(size >= 0 && size < (ssize_t)sizeof(bytes));
	close(fd);
	put_file(to, bytes, (size_t)size);
}

/* Runs memparse; messages come to the file err, its output to out. */
static int run(int argc, char **argv, FILE *out, FILE *err)
{
	FILE *const before_out = stdout, *const before_err = stderr;
	int status;

	optind = 0;
	stdout = out;
	stderr = err;
	status = memparse_main(argc, argv); /* closes out */
	stdout = before_out;
	stderr = before_err;
	return status;
}

static void store(const char *stream, const char *database)
{
	char words[4][16] = {"", "-o", "", ""};
	char *argv[] = {words[0], words[1], words[2], words[3], NULL};
	FILE *const err = fopen("/dev/null", "w");

	strcpy(words[2], database);
	strcpy(words[3], stream);
	CHECK(run(4, argv, fopen("/dev/null", "w"), err) != 4);
	fclose(err);
}

static void remove_folder(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", getenv("TMPDIR"));
	if (chdir("/") != 0 || system(command) != 0)
		perror(command);
}

static void make_folder(void)
{
	static char name[] = "/tmp/fuzz_command.XXXXXX";
	struct ljm_bytes app = {0};
	char small[1000];
	size_t size;

	CHECK(mkdtemp(name) != NULL && chdir(name) == 0);
	CHECK(setenv("TMPDIR", name, 1) == 0);
	atexit(remove_folder);
	CHECK(ljm_encode(app_text, &app) == 0);
	put_file("app", app.data, app.size);
	put_file("cut", app.data, app.size - 20);
	size = ZSTD_compress(small, sizeof(small), app.data, app.size, 1);
	CHECK(!ZSTD_isError(size));
	put_file("app.zst", small, size);
	put_file("empty", "", 0);
	put_file("text", "hello\n", 6);
	CHECK(mkdir("folder", 0777) == 0);
	store("app", "db.kept");
	store("cut", "cutdb");
	ljm_free(&app);
	/* Standard input is empty; it is not libFuzzer's business. */
	CHECK(freopen("/dev/null", "r", stdin) != NULL);
}

static bool is_kept(const char *name)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (strcmp(name, kept[i]) == 0)
			return true;
	return name[0] == '.' && (name[1] == '\0' || strcmp(name, "..") == 0);
}

/* Removes what is not of the folder; it must be what -o named, or nothing. */
static void sweep(int status, bool made)
{
	DIR *const folder = opendir(".");
	struct dirent *entry;
	unsigned extra = 0;

	CHECK(folder != NULL);
	while ((entry = readdir(folder)) != NULL) {
		const char *const name = entry->d_name;

		if (is_kept(name))
			continue;
		extra += strcmp(name, "db") != 0 &&
			 strcmp(name, "mine.sql") != 0;
		if (strlen(name) > 8)
			CHECK(strcmp(name + strlen(name) - 8, ".partial") !=
				      0 &&
			      strcmp(name + strlen(name) - 8, "-journal") != 0);
		CHECK(unlink(name) == 0);
	}
	closedir(folder);
	CHECK(extra <= (made && status != 2 && status != 4));
}

/* ---- the command line */

struct command {
	char words[WORDS][WORD_SIZE];
	char *argv[WORDS + 1];
	int argc;
	char sql[SQL_SIZE];
	size_t sql_size;
};

/* A word that names no file outside, for it has no slash. */
static size_t take_word(char *word, const uint8_t *data, size_t size)
{
	size_t length = 0;

	while (length < size && length < WORD_SIZE - 1 && data[length] != 0) {
		const char c = (char)data[length];

		word[length++] = (char)(c == '/' ? '_' : c);
	}
	word[length] = '\0';
	return length < size ? length + 1 : length;
}

/* A query that need not end is not the program's fault. */
static bool may_take_long(const char *sql)
{
	return strcasestr(sql, "recursive") != NULL ||
	       strcasestr(sql, "series") != NULL ||
	       strcasestr(sql, "blob") != NULL ||
	       strcasestr(sql, "printf") != NULL ||
	       strcasestr(sql, "format") != NULL;
}

static void take_command(struct command *c, const uint8_t *data, size_t size)
{
	strcpy(c->words[0], "memparse");
	for (c->argc = 1; size != 0 && c->argc < WORDS;) {
		char *const word = c->words[c->argc];
		const uint8_t choice = *data++;

		size--;
		if (choice == 0xfe) {
			c->sql_size = size < SQL_SIZE - 1 ? size : SQL_SIZE - 1;
			memcpy(c->sql, data, c->sql_size);
			break;
		}
		c->argc++;
		if (choice == 0xff) {
			const size_t length = take_word(word, data, size);

			data += length;
			size -= length;
		} else {
			strcpy(word, choices[choice % CHOICES]);
		}
	}
	if (may_take_long(c->sql))
		c->sql_size = 0;
	for (int i = 0; i < c->argc; i++)
		c->argv[i] = c->words[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct command c = {.sql = ""};
	bool made = false;
	char *said = NULL;
	size_t said_size;
	FILE *err, *out;
	int status;

	if (!ready)
		make_folder();
	ready = true;
	take_command(&c, data, size);
	for (int i = 1; i < c.argc; i++) /* -o, -onew, -fcsvo, --output, --o */
		made = made || strchr(c.words[i], 'o') != NULL;
	put_file("mine.sql", c.sql, c.sql_size);
	copy_file("db.kept", "db");
	err = open_memstream(&said, &said_size);
	out = fopen("/dev/null", "w");
	CHECK(err != NULL && out != NULL);
	status = run(c.argc, c.argv, out, err);
	fclose(err);
	CHECK(status == 0 || status == 2 || status == 3 || status == 4);
	CHECK(status == 0 || said_size != 0);
	for (size_t i = 0; i < said_size; i++)
		CHECK((uint8_t)said[i] >= ' ' || said[i] == '\n');
	free(said);
	sweep(status, made);
	return 0;
}
