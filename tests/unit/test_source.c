/*
 * test_source.c - plain and zstd input, whole, cut and broken; files, pipes,
 * and what the system refuses.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <zstd.h>

#include "source.h"

/*
 * All is tested three times: the second time zstd has a thread of its own, the
 * third time its work is shared.
 */
static struct source_options usual;
static bool sharing;

struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes new_bytes(size_t size)
{
	struct bytes b = {malloc(size + 1), size};

	assert_non_null(b.data);
	return b;
}

/* Bytes that zstd makes smaller, but not to nothing. */
static struct bytes some_bytes(size_t size, uint64_t seed)
{
	struct bytes b = new_bytes(size);

	for (size_t i = 0; i < size; i++)
		b.data[i] = next_random(&seed) % 16;
	return b;
}

static void append(struct bytes *to, const void *data, size_t size)
{
	to->data = realloc(to->data, to->size + size + 1);
	assert_non_null(to->data);
	memcpy(to->data + to->size, data, size);
	to->size += size;
}

/* One frame with a window of 1 << window_log bytes, in blocks of block. */
static struct bytes compress(const struct bytes *plain, int window_log,
			     size_t block)
{
	ZSTD_CCtx *const z = ZSTD_createCCtx();
	struct bytes b = new_bytes(ZSTD_compressBound(plain->size) +
				   plain->size / block * 16 + 1024);
	ZSTD_outBuffer out = {b.data, b.size, 0};
	size_t left;

	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	for (size_t at = 0; at < plain->size; at += block) {
		const size_t rest = plain->size - at;
		ZSTD_inBuffer in = {plain->data + at,
				    rest < block ? rest : block, 0};

		do
			left = ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush);
		while (left != 0);
	}
	do {
		ZSTD_inBuffer in = {NULL, 0, 0};

		left = ZSTD_compressStream2(z, &out, &in, ZSTD_e_end);
	} while (left != 0);
	assert_false(ZSTD_isError(left));
	ZSTD_freeCCtx(z);
	b.size = out.pos;
	return b;
}

/* ---- where the input comes from */

#define PATH "/tmp/test_source.XXXXXX"
static char path[] = PATH;

static int make_path(void **state)
{
	int fd;
	(void)state;

	strcpy(path, PATH);
	fd = mkstemp(path);
	return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const struct bytes *b)
{
	FILE *const file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(b->data, 1, b->size, file), b->size);
	assert_int_equal(fclose(file), 0);
}

/* Writes to a pipe, which is standard input, in small pieces. */
struct feeder {
	pthread_t thread;
	struct bytes bytes;
	int fd, stdin_was;
	size_t step;
};

static void *feed_pipe(void *arg)
{
	struct feeder *const f = arg;
	size_t at = 0;

	while (at < f->bytes.size) {
		const size_t rest = f->bytes.size - at;
		const ssize_t n = write(f->fd, f->bytes.data + at,
					rest < f->step ? rest : f->step);

		if (n <= 0)
			break;
		at += (size_t)n;
		/* The first bytes come one by one, for the magic. */
		if (f->step == 1 && at < 8)
			usleep(2000);
	}
	close(f->fd);
	return NULL;
}

static void start_pipe(struct feeder *f, const struct bytes *b, size_t step)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	f->stdin_was = dup(STDIN_FILENO);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	f->bytes = *b;
	f->fd = ends[1];
	f->step = step;
	assert_int_equal(pthread_create(&f->thread, NULL, feed_pipe, f), 0);
}

static void end_pipe(struct feeder *f)
{
	pthread_join(f->thread, NULL);
	dup2(f->stdin_was, STDIN_FILENO);
	close(f->stdin_was);
}

/* ---- reading */

/* A thread that decompresses, if that is shared, and sleeps until it can. */
struct helper {
	struct source *source;
	pthread_t thread;
	bool runs;
	sem_t low;
	atomic_bool stop;
	unsigned asked; /* what to do meanwhile */
};
static atomic_uint helped; /* pieces, in all */

static void *help(void *arg)
{
	struct helper *const h = arg;

	while (!h->stop) {
		source_work_ahead(h->source);
		helped++;
		sem_wait(&h->low);
	}
	return NULL;
}

static void wake(void *arg)
{
	sem_post(&((struct helper *)arg)->low);
}

/* Something every other time. */
static bool do_something(void *arg)
{
	return ((struct helper *)arg)->asked++ % 2 == 0;
}

static void start_helper(struct helper *h, struct source *s)
{
	const struct source_sharing with = {wake, do_something, h};

	if (!sharing || h->runs || !source_share(s, &with))
		return;
	h->source = s;
	h->stop = false;
	sem_init(&h->low, 0, 0);
	h->runs = pthread_create(&h->thread, NULL, help, h) == 0;
	assert_true(h->runs);
	assert_true(source_share(s, &with));
}

static void end_helper(struct helper *h)
{
	if (!h->runs)
		return;
	h->stop = true;
	wake(h);
	pthread_join(h->thread, NULL);
	sem_destroy(&h->low);
}

/* Reads to the end, keeping keep bytes in the window all the time. */
static enum source_result drain(struct source *s, size_t keep,
				struct bytes *got)
{
	struct helper helper = {.runs = false};
	enum source_result result;

	*got = new_bytes(0);
	do {
		const size_t n = s->size > keep ? s->size - keep : 0;

		assert_int_equal(s->offset, got->size);
		append(got, s->window, n);
		source_take(s, n);
		result = source_more(s);
		start_helper(&helper, s);
	} while (result == SOURCE_OK);
	end_helper(&helper);
	append(got, s->window, s->size);
	/* It repeats itself, and leaves the window alone. */
	assert_int_equal(source_more(s), result);
	return result;
}

static void check_bytes(struct bytes *got, const struct bytes *expected,
			size_t size)
{
	assert_int_equal(got->size, size);
	assert_memory_equal(got->data, expected->data, size);
	free(got->data);
}

/* Reads input from a file and from a pipe; the first size bytes come. */
static void check_input(const struct bytes *input, const struct bytes *plain,
			size_t size, enum source_result end, const char *words)
{
	struct feeder f;
	struct source *s;
	struct bytes got;

	write_file(input);
	for (size_t keep = 0; keep < 100000; keep = keep * 100 + 7) {
		assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
		assert_int_equal(s->file_size, input->size);
		assert_int_equal(drain(s, keep, &got), end);
		if (words != NULL && strstr(s->error, words) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", s->error, words);
		if (end == SOURCE_END)
			assert_int_equal(s->file_offset, input->size);
		check_bytes(&got, plain, size);
		source_close(s);
	}
	start_pipe(&f, input, 1 + input->size / 1000);
	assert_int_equal(source_open(&s, "-", NULL), SOURCE_OK);
	assert_int_equal(s->file_size, 0);
	assert_int_equal(drain(s, 3, &got), end);
	check_bytes(&got, plain, size);
	source_close(s);
	end_pipe(&f);
}

static void test_plain(void **state)
{
	(void)state;
	for (size_t size = 0; size < 3000000; size = size * 7 + 1) {
		struct bytes b = some_bytes(size, size);

		check_input(&b, &b, size, SOURCE_END, NULL);
		free(b.data);
	}
}

static void test_zstd(void **state)
{
	(void)state;
	for (size_t size = 0; size < 3000000; size = size * 7 + 1) {
		struct bytes b = some_bytes(size, size);
		struct bytes z = compress(&b, 17, 50000);

		check_input(&z, &b, size, SOURCE_END, NULL);
		free(z.data);
		free(b.data);
	}
}

/* A frame that says how much it holds, at once in memory: zstd's short way. */
static void test_one_shot_frame(void **state)
{
	struct bytes b = some_bytes(100000, 1);
	struct bytes z = new_bytes(ZSTD_compressBound(b.size));
	(void)state;

	z.size = ZSTD_compress(z.data, z.size, b.data, b.size, 1);
	check_input(&z, &b, b.size, SOURCE_END, NULL);
	free(z.data);
	free(b.data);
}

/* Much output from hardly any input: it does not fit the window at once. */
static void test_zeros(void **state)
{
	struct bytes b = new_bytes(20 << 20), z;
	(void)state;

	memset(b.data, 0, b.size);
	z = compress(&b, 17, b.size);
	assert_true(z.size < 10000);
	check_input(&z, &b, b.size, SOURCE_END, NULL);
	free(z.data);
	free(b.data);
}

static const uint8_t skippable[] = {0x5f, 0x2a, 0x4d, 0x18, 3, 0,
				    0,	  0,	1,    2,    3};

/* Frames one after the other, with skippable ones before and between. */
static void test_frames_in_a_row(void **state)
{
	struct bytes b = some_bytes(400000, 2), z, all = new_bytes(0);
	const struct bytes half = {b.data, b.size / 2};
	const struct bytes rest = {b.data + b.size / 2, b.size - b.size / 2};
	(void)state;

	append(&all, skippable, sizeof(skippable));
	z = compress(&half, 15, 1000);
	append(&all, z.data, z.size);
	free(z.data);
	append(&all, skippable, sizeof(skippable));
	z = compress(&rest, 20, 100000);
	append(&all, z.data, z.size);
	free(z.data);
	append(&all, skippable, sizeof(skippable));
	check_input(&all, &b, b.size, SOURCE_END, NULL);
	free(all.data);
	free(b.data);
}

static void test_garbage_after_a_frame(void **state)
{
	static const char *const garbage[] = {"x", "xyz", "not zstd at all"};
	struct source *s;
	struct bytes got;
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct bytes b = some_bytes(70000, i);
		struct bytes z = compress(&b, 17, 10000);

		append(&z, garbage[i], strlen(garbage[i]));
		check_input(&z, &b, b.size, SOURCE_CONTENT, "are not zstd");
		/* It says where in the file that is. */
		assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
		assert_int_equal(drain(s, 0, &got), SOURCE_CONTENT);
		assert_int_equal(s->file_offset, z.size - strlen(garbage[i]));
		source_close(s);
		free(got.data);
		free(z.data);
		free(b.data);
	}
}

/* Cut anywhere: every block that is whole comes, then it is said. */
static void test_cut_frame(void **state)
{
	const size_t block = 1000;
	struct bytes b = some_bytes(10 * block, 5);
	(void)state;

	for (size_t blocks = 0; blocks < 10; blocks++) {
		/* What these blocks take: up to the end of a frame's flush. */
		const struct bytes part = {b.data, blocks * block};
		struct bytes z = compress(&part, 17, block);
		struct bytes all = compress(&b, 17, block);

		/* Without the last, empty block and the checksum. */
		all.size = z.size - 7 + (blocks != 0) * 5;
		if (all.size > 4)
			check_input(&all, &b, part.size, SOURCE_CONTENT,
				    "is cut");
		free(all.data);
		free(z.data);
	}
	free(b.data);
}

/* Block n made impossible: all blocks before it come. */
static void test_broken_frame(void **state)
{
	const size_t block = 4096;
	struct bytes b = some_bytes(10 * block, 6);
	struct bytes z = compress(&b, 17, block);
	/* Behind the magic, the descriptor, and the window's size. */
	size_t at = 6;
	(void)state;

	for (size_t n = 0; n < 10; n++) {
		const uint8_t was = z.data[at];

		assert_int_not_equal(was & 6, 6);
		z.data[at] |= 6; /* the reserved type */
		check_input(&z, &b, n * block, SOURCE_CONTENT, "is broken");
		z.data[at] = was;
		at += 3 + (z.data[at] | (size_t)z.data[at + 1] << 8 |
			   (size_t)z.data[at + 2] << 16) /
				  8;
	}
	free(z.data);
	free(b.data);
}

/* What is wrong with one byte may show at the checksum only. */
static void test_wrong_checksum(void **state)
{
	struct bytes b = some_bytes(300000, 9);
	struct bytes z = compress(&b, 17, 100000);
	(void)state;

	z.data[z.size - 1] ^= 1;
	check_input(&z, &b, b.size, SOURCE_CONTENT, "checksum");
	free(z.data);
	free(b.data);
}

static void test_large_window(void **state)
{
	struct source_options options = {.zstd_window_log = 24};
	struct bytes b = some_bytes(20 << 20, 7);
	struct bytes z = compress(&b, 24, b.size), got;
	struct source *s;
	(void)state;

	write_file(&z);
	assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
	assert_int_equal(source_more(s), SOURCE_CONTENT);
	assert_non_null(strstr(s->error, "window of more than 8 MiB"));
	assert_int_equal(s->size, 0);
	source_close(s);
	assert_int_equal(source_open(&s, path, &options), SOURCE_OK);
	assert_int_equal(drain(s, 0, &got), SOURCE_END);
	check_bytes(&got, &b, b.size);
	source_close(s);
	free(z.data);
	z = compress(&b, 23, b.size);
	write_file(&z);
	assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
	assert_int_equal(drain(s, 0, &got), SOURCE_END);
	check_bytes(&got, &b, b.size);
	source_close(s);
	free(z.data);
	free(b.data);
}

/* The window grows as long as nothing is taken, to its limit. */
static void test_window_grows(void **state)
{
	struct bytes b = some_bytes(SOURCE_WINDOW_MAX + 1, 8);
	struct source *s;
	enum source_result result;
	(void)state;

	for (size_t less = 0; less < 2; less++) {
		b.size = SOURCE_WINDOW_MAX + 1 - less;
		write_file(&b);
		assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
		while ((result = source_more(s)) == SOURCE_OK)
			continue;
		assert_int_equal(s->size, SOURCE_WINDOW_MAX);
		assert_memory_equal(s->window, b.data, s->size);
		assert_int_equal(result, SOURCE_CONTENT);
		source_close(s);
	}
	free(b.data);
}

/* The last block fits the full window by half: the rest still comes. */
static void test_full_window_of_zstd(void **state)
{
	struct bytes b = new_bytes(SOURCE_WINDOW_MAX + 30000);
	struct bytes z = new_bytes(ZSTD_compressBound(b.size));
	struct source *s;
	(void)state;

	memset(b.data, 0, b.size);
	/* No checksum: nothing is left of the input by then. */
	z.size = ZSTD_compress(z.data, z.size, b.data, b.size, 1);
	write_file(&z);
	assert_int_equal(source_open(&s, path, &usual), SOURCE_OK);
	assert_int_equal(source_peek(s, SOURCE_WINDOW_MAX), SOURCE_OK);
	source_take(s, s->size);
	assert_int_equal(source_peek(s, 30001), SOURCE_END);
	assert_int_equal(s->size, 30000);
	source_close(s);
	free(z.data);
	free(b.data);
}

static void test_peek(void **state)
{
	static const char magic[] = "SQLite format 3";
	struct bytes b = new_bytes(0);
	struct source *s;
	struct feeder f;
	(void)state;

	append(&b, magic, sizeof(magic));
	start_pipe(&f, &b, 1);
	assert_int_equal(source_open(&s, "-", NULL), SOURCE_OK);
	assert_int_equal(source_peek(s, 16), SOURCE_OK);
	assert_memory_equal(s->window, magic, 16);
	assert_int_equal(s->offset, 0);
	assert_int_equal(source_peek(s, 17), SOURCE_END);
	assert_int_equal(s->size, 16);
	source_close(s);
	end_pipe(&f);
	free(b.data);
}

static void check_refused(const char *name, int error)
{
	struct source *s;

	assert_int_equal(source_open(&s, name, NULL), SOURCE_SYSTEM);
	assert_non_null(s);
	assert_int_equal(s->error_number, error);
	assert_string_equal(s->error, strerror(error));
	source_close(s);
}

static void test_what_the_system_refuses(void **state)
{
	struct source *s;
	const int was = dup(STDIN_FILENO);
	(void)state;

	check_refused("/nonexistent/file", ENOENT);
	check_refused("/", EISDIR);
	check_refused("", ENOENT);
	if (geteuid() != 0) {
		assert_int_equal(chmod(path, 0), 0);
		check_refused(path, EACCES);
		assert_int_equal(chmod(path, 0600), 0);
	}
	/* Opened, but reading fails: our own memory at address 0. */
	assert_int_equal(source_open(&s, "/proc/self/mem", NULL), SOURCE_OK);
	assert_int_equal(source_more(s), SOURCE_SYSTEM);
	assert_int_equal(s->error_number, EIO);
	assert_int_equal(source_more(s), SOURCE_SYSTEM);
	source_close(s);
	/* Standard input is not open, or cannot be read. */
	close(STDIN_FILENO);
	check_refused("-", EBADF);
	assert_int_equal(open("/dev/null", O_WRONLY), STDIN_FILENO);
	assert_int_equal(source_open(&s, "-", NULL), SOURCE_OK);
	assert_int_equal(source_peek(s, 1), SOURCE_SYSTEM);
	assert_int_equal(s->error_number, EBADF);
	source_close(s);
	source_close(NULL);
	dup2(was, STDIN_FILENO);
	close(was);
}

static volatile sig_atomic_t ticks;

static void tick(int signal_number)
{
	(void)signal_number;
	ticks++;
}

static void *feed_slowly(void *arg)
{
	const int fd = *(int *)arg;

	for (int i = 0; i < 5; i++) {
		usleep(20000);
		if (write(fd, "abcde", 5) != 5)
			break;
	}
	close(fd);
	return NULL;
}

/* A signal in the midst of read(2) does not show. */
static void test_signals(void **state)
{
	struct sigaction action = {.sa_handler = tick};
	struct itimerval every = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	const int was = dup(STDIN_FILENO);
	struct source *s;
	pthread_t thread;
	sigset_t alarm_only;
	int ends[2];
	(void)state;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	/* The writer is left alone: the signals are for the reader. */
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
	assert_int_equal(pthread_create(&thread, NULL, feed_slowly, &ends[1]),
			 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	assert_int_equal(source_open(&s, "-", NULL), SOURCE_OK);
	assert_int_equal(source_peek(s, 26), SOURCE_END);
	setitimer(ITIMER_REAL, &off, NULL);
	assert_int_equal(s->size, 25);
	assert_true(ticks > 5);
	source_close(s);
	pthread_join(thread, NULL);
	dup2(was, STDIN_FILENO);
	close(was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_one_shot_frame),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_frames_in_a_row),
		cmocka_unit_test(test_garbage_after_a_frame),
		cmocka_unit_test(test_cut_frame),
		cmocka_unit_test(test_broken_frame),
		cmocka_unit_test(test_wrong_checksum),
		cmocka_unit_test(test_large_window),
		cmocka_unit_test(test_window_grows),
		cmocka_unit_test(test_full_window_of_zstd),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_what_the_system_refuses),
		cmocka_unit_test(test_signals),
	};

	signal(SIGPIPE, SIG_IGN);
	/* Standard input is put aside and back: there must be one. */
	if (fcntl(STDIN_FILENO, F_GETFD) < 0)
		(void)!open("/dev/null", O_RDONLY);
	for (int round = 1; round <= 3; round++) {
		int failed;

		usual.thread = round >= 2;
		sharing = round == 3;
		failed = cmocka_run_group_tests(tests, make_path, remove_path);
		if (failed != 0)
			return failed;
	}
	if (helped == 0)
		fputs("the helping thread had nothing to do\n", stderr);
	return helped == 0;
}
