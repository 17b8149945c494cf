/*
 * fuzz_model.c - any bytes through decoder and model. The figures must agree
 * with each other, with the lives handed out, and must not depend on how the
 * stream is cut, nor on whether lives are handed out.
 */
#include "fuzz.h"

#include <string.h>

struct lives {
	uint64_t born, ended, alive, bytes_alive;
};

static bool count_life(void *arg, const struct model_life *life)
{
	struct lives *const l = arg;

	l->born += life->born_event != 0;
	l->ended += life->born_event != 0 && life->died_event != 0;
	l->alive += life->died_event == 0;
	l->bytes_alive += life->died_event == 0 ? life->size : 0;
	CHECK(life->address != 0);
	CHECK(life->died_event == 0 || life->died_event > life->born_event);
	CHECK((life->born_callsite == MODEL_NO_CALLSITE) ==
	      (life->born_event == 0));
	CHECK((life->died_callsite == MODEL_NO_CALLSITE) ==
	      (life->died_event == 0));
	return true;
}

static void check_lives(const struct model *m, const struct lives *l)
{
	const struct model_figures *const f = &model_totals(m)->figures;

	CHECK(l->born == f->born_blocks);
	CHECK(l->ended == f->ended_blocks);
	CHECK(l->alive == f->live_blocks);
	CHECK(l->bytes_alive == f->live_bytes);
}

static void check_same(const struct model *a, const struct model *b)
{
	CHECK(model_site_count(a) == model_site_count(b));
	CHECK(model_callsite_count(a) == model_callsite_count(b));
	CHECK(model_override_count(a) == model_override_count(b));
	CHECK(model_sample_count(a) == model_sample_count(b));
	CHECK(model_alias_count(a) == model_alias_count(b));
	CHECK(memcmp(model_totals(a), model_totals(b),
		     sizeof(struct model_totals)) == 0);
	for (uint32_t i = 0; i < model_site_count(a); i++) {
		const struct model_site x = model_site(a, i);
		const struct model_site y = model_site(b, i);

		CHECK(memcmp(&x.figures, &y.figures, sizeof(x.figures)) == 0);
	}
	for (size_t i = 0; i < model_sample_count(a); i++)
		CHECK(memcmp(model_sample(a, i), model_sample(b, i),
			     sizeof(struct model_sample)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t step = size == 0 ? 1 : 1 + data[size - 1] % 61;
	struct lives lives = {0};
	struct model *const a = model_new(count_life, &lives);
	struct model *const b = model_new(NULL, NULL);

	CHECK(a != NULL && b != NULL);
	if (step % 3 == 0) {
		model_set_limits(a, step % 4, step / 3 % 4);
		model_set_limits(b, step % 4, step / 3 % 4);
	}
	if (step % 16 == 0)
		model_use_thread(b);
	/* Twice: sites add up, blocks do not. */
	for (int round = 0; round < 2; round++) {
		const bool whole = fuzz_feed(a, data, size, size + 1, 64);

		CHECK(fuzz_feed(b, data, size, step, 1 + step % 7) == whole);
		CHECK(model_end_stream(a) == MODEL_OK);
		CHECK(model_end_stream(b) == MODEL_OK);
		fuzz_check_model(a);
		check_lives(a, &lives);
		check_same(a, b);
	}
	model_free(a);
	model_free(b);
	return 0;
}
