/*
 * environment.c - recording that the process's environment asks for.
 */
#define _GNU_SOURCE
#include "environment.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile unsigned environment_requests;

/* Copies: hosts overwrite their environment to set their title. */
static struct {
	char *pattern; /* MEMPROF_OUT, absolute; NULL: nothing is wanted */
	bool autostart;
	bool per_process; /* the pattern has %p */
	bool foreign;	  /* a forked child, and it has not */
	unsigned streams; /* opened by this process so far */
} wanted;

/* ---- messages */

void environment_say(const char *format, ...)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static char last[512];
	char line[512];
	va_list arguments;
	int n, saved = errno;
	va_start(arguments, format);
	n = snprintf(line, sizeof line, "ljmemprof: ");
	vsnprintf(line + n, sizeof line - (size_t)n - 1, format, arguments);
	va_end(arguments);
	/* A fork may have left it locked. */
	if (pthread_mutex_trylock(&mutex) == 0) {
		bool again = !strcmp(line, last);
		memcpy(last, line, sizeof last);
		pthread_mutex_unlock(&mutex);
		if (again) {
			errno = saved;
			return;
		}
	}
	/* One write, so that lines of several processes do not mix. */
	n = (int)strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		errno = 0; /* nobody to tell */
	errno = saved;
}

/* ---- the signal */

static void on_signal(int number)
{
	(void)number;
	__atomic_fetch_add(&environment_requests, 1, __ATOMIC_RELAXED);
}

/* n of "BASE", "BASE+n" or "BASE-n"; INT_MIN when the text is not that. */
static int offset_from(const char *text, const char *base)
{
	size_t n = strlen(base);
	char *end;
	long offset;
	if (strncmp(text, base, n) != 0)
		return INT_MIN;
	if (!text[n])
		return 0;
	if (text[n] != '+' && text[n] != '-')
		return INT_MIN;
	offset = strtol(text + n, &end, 10);
	return *end || offset < -64 || offset > 64 ? INT_MIN : (int)offset;
}

/*
 * 0 when the text names no signal that a program may be sent: those of
 * faults are not among them, nor KILL and STOP.
 */
static int signal_number(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
		{"HUP", SIGHUP},       {"INT", SIGINT},	      {"QUIT", SIGQUIT},
		{"USR1", SIGUSR1},     {"USR2", SIGUSR2},     {"PIPE", SIGPIPE},
		{"ALRM", SIGALRM},     {"TERM", SIGTERM},     {"CHLD", SIGCHLD},
		{"CONT", SIGCONT},     {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},
		{"TTOU", SIGTTOU},     {"URG", SIGURG},	      {"XCPU", SIGXCPU},
		{"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF},
		{"WINCH", SIGWINCH},   {"IO", SIGIO},	      {"PWR", SIGPWR},
		{"STKFLT", SIGSTKFLT},
	};
	const char *name = strncmp(text, "SIG", 3) ? text : text + 3;
	char *end;
	long number = strtol(text, &end, 10);
	int low = offset_from(name, "RTMIN"), high = offset_from(name, "RTMAX");
	size_t i;
	if (low >= 0 && SIGRTMIN + low <= SIGRTMAX)
		return SIGRTMIN + low;
	if (high != INT_MIN && high <= 0 && SIGRTMAX + high >= SIGRTMIN)
		return SIGRTMAX + high;
	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i].name) ||
		    (!*end && end != text && number == names[i].number))
			return names[i].number;
	return !*end && number >= SIGRTMIN && number <= SIGRTMAX ? (int)number
								 : 0;
}

static bool install_handler(const char *text)
{
	struct sigaction action, before;
	int number = signal_number(text);
	if (!number) {
		environment_say("MEMPROF_SIGNAL: %s is not a signal that can "
				"be used",
				text);
		return false;
	}
	memset(&action, 0, sizeof action);
	if (sigaction(number, NULL, &before) != 0) {
		environment_say("MEMPROF_SIGNAL: %s: %s", text,
				strerror(errno));
		return false;
	}
	if ((before.sa_flags & SA_SIGINFO) || before.sa_handler != SIG_DFL) {
		environment_say("MEMPROF_SIGNAL: the program has its own use "
				"of %s; choose another one",
				text);
		return false;
	}
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0;
}

/* ---- the name */

/*
 * Where the number of a stream goes: before the last suffix of the file's
 * name, that is, before the last two when the last is .zst.
 */
static const char *suffix_of(const char *pattern)
{
	const char *slash = strrchr(pattern, '/');
	const char *name = slash ? slash + 1 : pattern;
	const char *end = pattern + strlen(pattern), *at;
	if (end - name > 4 && !strcmp(end - 4, ".zst"))
		end -= 4;
	for (at = end; at > name + 1 && *--at != '%';)
		if (*at == '.')
			return at;
	return end;
}

int environment_path(char *path, size_t size)
{
	const char *from = wanted.pattern, *suffix = suffix_of(from);
	unsigned stream;
	size_t n = 0;
	if (wanted.foreign)
		return EXDEV;
	stream = __atomic_add_fetch(&wanted.streams, 1, __ATOMIC_RELAXED);
	for (;; from++) {
		/* Room for two numbers of any size. */
		if (n + 32 > size)
			return ENAMETOOLONG;
		if (from == suffix && stream > 1)
			n += (size_t)sprintf(path + n, ".%u", stream);
		if (!*from)
			break;
		if (*from == '%' && *++from == 'p')
			n += (size_t)sprintf(path + n, "%ld", (long)getpid());
		else
			path[n++] = *from;
	}
	path[n] = 0;
	return 0;
}

bool environment_forked(void)
{
	wanted.streams = 0;
	wanted.foreign = !wanted.per_process;
	return wanted.pattern && wanted.per_process;
}

/* ---- reading it */

/* Says what is wrong with a name; sets per_process. */
static bool check_pattern(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern != '%')
			continue;
		if (*++pattern == 'p') {
			wanted.per_process = true;
		} else if (*pattern != '%') {
			environment_say("MEMPROF_OUT: only %%p and %%%% have "
					"a meaning after a percent sign");
			return false;
		}
	}
	return true;
}

/* The name, seen from /: a daemon changes its directory. */
static char *absolute(const char *pattern)
{
	char here[PATH_MAX], *full = NULL, *to;
	const char *from;
	if (*pattern == '/' || !getcwd(here, sizeof here))
		return strdup(pattern);
	full = malloc(2 * strlen(here) + strlen(pattern) + 2);
	if (!full)
		return NULL;
	for (from = here, to = full; *from; from++) {
		if (*from == '%')
			*to++ = '%';
		*to++ = *from;
	}
	*to++ = '/';
	strcpy(to, pattern);
	return full;
}

static void read_environment(void)
{
	const char *out = getenv("MEMPROF_OUT");
	const char *start = getenv("MEMPROF_AUTOSTART");
	const char *signal_name = getenv("MEMPROF_SIGNAL");
	bool signalled = false;
	if (!out || !*out || !check_pattern(out))
		return;
	wanted.autostart = start && *start && strcmp(start, "0") != 0;
	if (signal_name && *signal_name)
		signalled = install_handler(signal_name);
	if (!wanted.autostart && !signalled) {
		environment_say("MEMPROF_OUT is set, but nothing starts a "
				"recording: see MEMPROF_AUTOSTART=1 and "
				"MEMPROF_SIGNAL");
		return;
	}
	wanted.pattern = absolute(out);
}

bool environment_wanted(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, read_environment);
	return wanted.pattern != NULL;
}

bool environment_autostart(void)
{
	return wanted.autostart;
}
