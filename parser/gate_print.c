/*
 * gate_print.c - what the documents share, and JUnit's.
 */
#include "gate_print.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

void gate_print(FILE *out, const struct gate *g, enum gate_format format,
		const struct gate_run *run)
{
	if (format == GATE_JUNIT)
		gate_print_junit(out, g, run);
	else if (format == GATE_SARIF)
		gate_print_sarif(out, g, run);
}

/* Without a folder that it is in, if it is. */
static const char *skip_folder(const char *path)
{
	char folder[PATH_MAX];
	size_t size;

	if (*path != '/' || getcwd(folder, sizeof(folder)) == NULL)
		return path;
	size = strlen(folder);
	return strncmp(path, folder, size) == 0 && path[size] == '/'
		       ? path + size + strspn(path + size, "/")
		       : path;
}

const char *gate_path(const struct gate_site *s)
{
	const char *path;

	if (s->chunk == NULL || s->chunk[0] != '@' || s->chunk[1] == '\0')
		return NULL;
	path = skip_folder(s->chunk + 1);
	while (path[0] == '.' && path[1] == '/' &&
	       path[1 + strspn(path + 1, "/")] != '\0')
		path += 1 + strspn(path + 1, "/");
	return path;
}

void gate_sentence(char out[GATE_SENTENCE_SIZE], const struct gate_site *s)
{
	const uint64_t blocks = s->blocks + s->hidden_blocks;

	snprintf(out, GATE_SENTENCE_SIZE,
		 "%" PRIu64
		 " block%s of this line %s alive at the end, %" PRIu64
		 "B (%" PRIu64 " begun, %" PRIu64 " ended)%s%s",
		 blocks, blocks == 1 ? "" : "s", blocks == 1 ? "is" : "are",
		 s->bytes + s->hidden_bytes, s->born_blocks, s->ended_blocks,
		 s->reason != NULL ? ": it " : "",
		 s->reason != NULL ? s->reason : "");
}

/* ---- JUnit */

/*
 * A text between tags or quotes. What XML 1.0 cannot hold at all, and bytes
 * that are no UTF-8, such as a file's name may have, become U+FFFD.
 */
static void xml(FILE *out, const char *text)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t left = strlen(text), length;
	uint32_t code;

	for (; left != 0; s += length, left -= length) {
		length = utf8_next(s, left, &code);
		if (length == 0 || utf8_is_control(code) || code == 0xfffe ||
		    code == 0xffff)
			fputs("\xef\xbf\xbd", out);
		else if (code == '&')
			fputs("&amp;", out);
		else if (code == '<')
			fputs("&lt;", out);
		else if (code == '>')
			fputs("&gt;", out);
		else if (code == '"')
			fputs("&quot;", out);
		else
			fwrite(s, 1, length, out);
		length += length == 0;
	}
}

/* Begins a test's element: name, and class. */
static void begin_test(FILE *out, const char *class, const char *name)
{
	fputs("    <testcase classname=\"", out);
	xml(out, class);
	fputs("\" name=\"", out);
	xml(out, name);
	fputs("\" time=\"0\"", out);
}

static bool is_hidden(const struct gate_site *s)
{
	return s->blocks == 0 && s->hidden_blocks != 0;
}

static void junit_site(FILE *out, const struct gate *g,
		       const struct gate_site *s)
{
	const char *const path = gate_path(s);
	char sentence[GATE_SENTENCE_SIZE];

	gate_sentence(sentence, s);
	begin_test(out, path != NULL ? path : "memparse", s->name);
	if (path != NULL) {
		fputs(" file=\"", out);
		xml(out, path);
		fputc('"', out);
		if (s->line > 0)
			fprintf(out, " line=\"%" PRId64 "\"", s->line);
	}
	fputs(">\n      ", out);
	if (s->reason != NULL) {
		fputs("<failure type=\"limit\" message=\"", out);
		xml(out, s->name);
		fputc(' ', out);
		xml(out, s->reason);
		fputs("\">", out);
		xml(out, sentence);
		fputs("</failure>", out);
	} else if (is_hidden(s)) {
		fputs("<skipped message=\"suppressed: leak:", out);
		xml(out, g->suppressions.list[s->suppression - 1].pattern);
		fputs("\"/>", out);
	} else {
		fputs("<system-out>", out);
		xml(out, sentence);
		fputs("</system-out>", out);
	}
	fputs("\n    </testcase>\n", out);
}

/* The sum of all sites, if it has a limit. */
static void junit_total(FILE *out, const struct gate *g,
			const struct gate_run *run)
{
	if (!run->total)
		return;
	begin_test(out, "memparse", "all lines");
	if (g->total_reason == NULL) {
		fputs("/>\n", out);
		return;
	}
	fputs(">\n      <failure type=\"limit\" message=\"", out);
	xml(out, g->total_reason);
	fputs("\"/>\n    </testcase>\n", out);
}

static void junit_unjudged(FILE *out, const struct gate *g,
			   const struct gate_run *run)
{
	if (run->unjudged == NULL)
		return;
	begin_test(out, "memparse",
		   g->limits->growing ? "growing lines" : "changed lines");
	fputs(">\n      <skipped message=\"", out);
	xml(out, run->unjudged);
	fputs("\"/>\n    </testcase>\n", out);
}

static void junit_counts(FILE *out, const struct gate *g,
			 const struct gate_run *run)
{
	const bool unjudged = run->unjudged != NULL;
	size_t failures = run->total && g->total_reason != NULL;
	size_t skipped = unjudged;

	for (size_t i = 0; i < g->count; i++) {
		failures += g->sites[i].reason != NULL;
		skipped +=
			g->sites[i].reason == NULL && is_hidden(&g->sites[i]);
	}
	fprintf(out,
		" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" "
		"skipped=\"%zu\" time=\"0\">\n",
		g->count + 1 + run->total + unjudged, failures, !run->complete,
		skipped);
}

void gate_print_junit(FILE *out, const struct gate *g,
		      const struct gate_run *run)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<testsuites name=\"memparse\"",
	      out);
	junit_counts(out, g, run);
	fputs("  <testsuite name=\"", out);
	xml(out, run->subject);
	fputc('"', out);
	junit_counts(out, g, run);
	begin_test(out, "memparse", "the stream is complete");
	fputs(run->complete
		      ? "/>\n"
		      : ">\n      <error type=\"content\" message=\"the stream "
			"is not complete\"/>\n    </testcase>\n",
	      out);
	junit_total(out, g, run);
	junit_unjudged(out, g, run);
	for (size_t i = 0; i < g->count; i++)
		junit_site(out, g, &g->sites[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
}
