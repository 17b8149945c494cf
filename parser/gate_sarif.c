/*
 * gate_sarif.c - SARIF 2.1.0, of OASIS: docs.oasis-open.org/sarif/sarif/v2.1.0.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "gate_print.h"
#include "utf8.h"

/* A string, in its quotes. */
static void json(FILE *out, const char *text)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t left = strlen(text), length;
	uint32_t code;

	fputc('"', out);
	for (; left != 0; s += length, left -= length) {
		length = utf8_next(s, left, &code);
		if (length == 0)
			fputs("\\ufffd", out);
		else if (code == '"' || code == '\\')
			fprintf(out, "\\%c", (int)code);
		else if (utf8_is_control(code))
			fprintf(out, "\\u%04x", code);
		else
			fwrite(s, 1, length, out);
		length += length == 0;
	}
	fputc('"', out);
}

/* A path as a URI, relative if the path is. */
static void uri(FILE *out, const char *path)
{
	fputs(*path == '/' ? "\"file://" : "\"", out);
	for (; *path != '\0'; path++)
		if (isalnum((unsigned char)*path) || strchr("-._~/", *path))
			fputc(*path, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*path);
	fputc('"', out);
}

static void location(FILE *out, const struct gate_site *s)
{
	const char *const path = gate_path(s);

	fputs(",\n        \"locations\": [{", out);
	if (path != NULL) {
		fputs("\"physicalLocation\": {\"artifactLocation\": {\"uri\": ",
		      out);
		uri(out, path);
		if (*path != '/')
			fputs(", \"uriBaseId\": \"SRCROOT\"", out);
		fputc('}', out);
		if (s->line > 0)
			fprintf(out,
				", \"region\": {\"startLine\": %" PRId64 "}",
				s->line);
		fputs("}, ", out);
	}
	fputs("\"logicalLocations\": [{\"fullyQualifiedName\": ", out);
	json(out, s->name);
	fputs("}]}]", out);
}

static const char *level(const struct gate *g, const struct gate_site *s)
{
	if (s->reason != NULL)
		return "error";
	return g->total_reason != NULL && s->bytes != 0 ? "warning" : "note";
}

static void site(FILE *out, const struct gate *g, const struct gate_site *s)
{
	char sentence[GATE_SENTENCE_SIZE];

	gate_sentence(sentence, s);
	fprintf(out,
		"      {\"ruleId\": \"live-at-end\", \"ruleIndex\": 0, "
		"\"level\": \"%s\",\n        \"message\": {\"text\": ",
		level(g, s));
	json(out, sentence);
	fputc('}', out);
	location(out, s);
	if (s->signature != NULL) {
		fputs(",\n        \"partialFingerprints\": "
		      "{\"ljmemprofSignature/v1\": ",
		      out);
		json(out, s->signature);
		fputc('}', out);
	}
	/* Only what is hidden whole: a viewer would leave out the rest. */
	if (s->blocks == 0 && s->hidden_blocks != 0) {
		fputs(",\n        \"suppressions\": [{\"kind\": \"external\", "
		      "\"justification\": ",
		      out);
		json(out, g->suppressions.list[s->suppression - 1].pattern);
		fputs("}]", out);
	}
	fprintf(out,
		",\n        \"properties\": {\"bytes\": %" PRIu64
		", \"blocks\": %" PRIu64 ", \"suppressedBytes\": %" PRIu64
		", \"suppressedBlocks\": %" PRIu64 "}}",
		s->bytes, s->blocks, s->hidden_bytes, s->hidden_blocks);
}

static void total(FILE *out, const struct gate *g)
{
	fputs("      {\"ruleId\": \"limit\", \"ruleIndex\": 1, "
	      "\"level\": \"error\", \"message\": {\"text\": ",
	      out);
	json(out, g->total_reason);
	fputs("}}", out);
}

static void results(FILE *out, const struct gate *g)
{
	fputs("    \"results\": [\n", out);
	if (g->total_reason != NULL) {
		total(out, g);
		fputs(g->count != 0 ? ",\n" : "\n", out);
	}
	for (size_t i = 0; i < g->count; i++) {
		site(out, g, &g->sites[i]);
		fputs(i + 1 < g->count ? ",\n" : "\n", out);
	}
	fputs("    ]\n", out);
}

static void notification(FILE *out, const char *level, const char *text)
{
	fprintf(out, "{\"level\": \"%s\", \"message\": {\"text\": ", level);
	json(out, text);
	fputs("}}", out);
}

static void invocation(FILE *out, const struct gate_run *run)
{
	const bool both = !run->complete && run->unjudged != NULL;

	fprintf(out, "    \"invocations\": [{\"executionSuccessful\": %s",
		run->complete ? "true" : "false");
	if (!run->complete || run->unjudged != NULL) {
		fputs(", \"toolExecutionNotifications\": [", out);
		if (!run->complete)
			notification(out, "error",
				     "the stream is not complete");
		if (both)
			fputs(", ", out);
		if (run->unjudged != NULL)
			notification(out, "warning", run->unjudged);
		fputs("]", out);
	}
	fputs(", \"properties\": {\"subject\": ", out);
	json(out, run->subject);
	fputs("}}],\n", out);
}

void gate_print_sarif(FILE *out, const struct gate *g,
		      const struct gate_run *run)
{
	fputs("{\"$schema\": \"https://docs.oasis-open.org/sarif/sarif/v2.1.0/"
	      "errata01/os/schemas/sarif-schema-2.1.0.json\",\n"
	      "  \"version\": \"2.1.0\",\n  \"runs\": [{\n"
	      "    \"tool\": {\"driver\": {\"name\": \"memparse\", "
	      "\"version\": ",
	      out);
	json(out, run->version);
	fputs(",\n      \"rules\": [\n"
	      "        {\"id\": \"live-at-end\", \"name\": \"LiveAtEnd\", "
	      "\"shortDescription\": {\"text\": \"Memory that is alive at the "
	      "end of the recording\"}},\n"
	      "        {\"id\": \"limit\", \"name\": \"Limit\", "
	      "\"shortDescription\": {\"text\": \"More memory than a limit "
	      "allows\"}}]}},\n"
	      "    \"originalUriBaseIds\": {\"SRCROOT\": {\"description\": "
	      "{\"text\": \"Where the program was started\"}}},\n"
	      "    \"columnKind\": \"unicodeCodePoints\",\n",
	      out);
	invocation(out, run);
	results(out, g);
	fputs("  }]\n}\n", out);
}
