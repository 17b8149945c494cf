/*
 * meter.c - runs a command and says what it took.
 *
 *   bench-meter COMMAND [ARGUMENT...]
 *
 * prints "SECONDS KIB": wall-clock time and the most memory it held. The
 * command's standard output is thrown away. Exit status: that of the command
 * unless it is 3, which is a cut stream, or else 127.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run(char **argv)
{
	const int null = open("/dev/null", O_WRONLY);

	if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 0;
	double begin;
	pid_t child;

	if (argc < 2)
		return 2;
	begin = now();
	child = vfork();
	if (child == 0)
		run(argv + 1);
	if (child < 0 || wait4(child, &status, 0, &usage) != child) {
		perror("bench-meter");
		return 127;
	}
	printf("%.4f %ld\n", now() - begin, usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}
