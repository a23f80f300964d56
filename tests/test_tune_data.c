/* What is learned from a text: whole documents, and of conversations the answers with the token that ends them; every
 * token of a long document is predicted once; every piece comes once in an epoch; and the schedules. */
#include "test.h"

#include "convert/convert_checkpoint.h"
#include "scratch.h"
#include "tune/data.h"
#include "tune/schedule.h"

#include <math.h>
#include <string.h>

static struct tern_model *vocabulary;
static struct tern_error err;

static const char *write_text(const char *name, const char *text)
{
	const char *path = scratch_path(name);

	scratch_write(path, text, strlen(text));
	return path;
}

/* The learned tokens as text, special ones spelled out; those of different pieces are separated by a slash. */
static void learned_text(const struct corpus *c, char out[512])
{
	out[0] = '\0';
	for (size_t p = 0; p < c->n_pieces; p++) {
		for (size_t i = c->pieces[p].first + 1; i <= c->pieces[p].first + c->pieces[p].n_token; i++) {
			size_t n;
			const char *bytes = tern_token_text(vocabulary, c->ids[i], &n);
			if (c->learned[i])
				strncat(out, bytes, n);
		}
		strcat(out, "/");
	}
}

static void check_text(const char *name, const char *text, size_t context, size_t n_documents, const char *expected)
{
	struct corpus c;
	char got[512];

	CHECK(!corpus_read(&c, write_text(name, text), vocabulary, context, &err), "%s", err.message);
	learned_text(&c, got);
	CHECK(strcmp(got, expected) == 0, "%s: learned '%s', expected '%s'", name, got, expected);
	CHECK(c.n_documents == n_documents, "%s: %zu documents", name, c.n_documents);
	corpus_free(&c);
}

static void check_documents(void)
{
	check_text("a.txt", "A fox.\n\n \nThe day\nwas warm.\n", 64, 2, "A fox.<|end|>/The day\nwas warm.<|end|>/");
	check_text("a.jsonl", "{\"text\": \"A fox.\"}\n\n{\"text\": \"<|end|>\"}", 64, 2,
	           "A fox.<|end|>/<|end|><|end|>/");
	check_text("b.jsonl",
	           "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}, {\"role\": \"assistant\", "
	           "\"content\": \"Yes.\"}, {\"role\": \"user\", \"content\": \"Why?\"}, {\"role\": \"assistant\", "
	           "\"content\": \"The sun.\"}]}",
	           64, 1, "Yes.<|end|>The sun.<|end|>/");
	check_text("mark.txt",
	           "\xef\xbb\xbf"
	           "A fox.\n",
	           64, 1, "A fox.<|end|>/");
	check_text("mark.jsonl",
	           "\xef\xbb\xbf"
	           "{\"text\": \"A fox.\"}\n",
	           64, 1, "A fox.<|end|>/");
	check_text("opened.jsonl",
	           "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hello!\"}, {\"role\": \"user\", "
	           "\"content\": \"Why?\"}, {\"role\": \"assistant\", \"content\": \"The sun.\"}]}\n"
	           "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Yes.\"}]}",
	           64, 2, "Hello!<|end|>The sun.<|end|>/Yes.<|end|>/");
}

/* A format in which an answer needs a question: one that opens a conversation is read, and those after it learned. */
static void check_unasked(const char *path)
{
	const struct tern_model_options options = {.no_mmap = true, .chat_format = "qwen3.6"};
	struct tern_model *usual = vocabulary;

	if (tern_model_open(&vocabulary, path, &options, &err))
		CHECK(false, "%s", err.message);
	else
		check_text("unasked.jsonl",
		           "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hello!\"}, {\"role\": "
		           "\"user\", \"content\": \"Why?\"}, {\"role\": \"assistant\", \"content\": \"The sun.\"}]}",
		           128, 1, "</think>\n\nThe sun.<|im_end|>\n/");
	tern_model_close(vocabulary);
	vocabulary = usual;
}

/* Cut anywhere, a document is learned whole. */
static void check_cuts(void)
{
	for (size_t context = 2; context < 12; context++) {
		struct corpus c;
		char got[512], joined[512];
		size_t n = 0;
		CHECK(!corpus_read(&c, write_text("c.txt", "One day there was a brave fox."), vocabulary, context,
		                   &err),
		      "%s", err.message);
		learned_text(&c, got);
		for (const char *at = got; *at; at++)
			if (*at != '/')
				joined[n++] = *at;
		joined[n] = '\0';
		CHECK(strcmp(joined, "One day there was a brave fox.<|end|>") == 0, "context %zu: '%s'", context, got);
		corpus_free(&c);
	}
}

static void check_walk(void)
{
	char text[4096] = "";
	struct corpus c;
	struct walk walk;
	struct batch batch;
	size_t n_seen = 0, n_same = 0, first_of_epoch[4];

	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), 64, "%.*s fox %d.\n\n", i % 7, "a a a a a", i);
	CHECK(!corpus_read(&c, write_text("d.txt", text), vocabulary, 64, &err) && c.n_pieces == 40, "%zu pieces",
	      c.n_pieces);
	if (walk_init(&walk, &c, 7, true, 50, &err) || batch_init(&batch, 50, &err))
		exit(1);
	for (uint64_t epoch = 0; epoch < 4; epoch++) {
		int32_t seen[40] = {0};
		do {
			walk_next(&walk, &batch);
			if (n_seen % 40 == 0)
				first_of_epoch[epoch] = walk.order[0];
			CHECK(batch.n_token <= 50 && batch.n_target > 0, "%zu tokens", batch.n_token);
			n_seen += batch.n_segment;
		} while (walk.at < c.n_pieces);
		CHECK(walk.epoch == epoch && n_seen == 40 * (epoch + 1), "epoch %d: %zu pieces", (int)epoch, n_seen);
		for (size_t i = 0; i < 40; i++)
			seen[walk.order[i]]++;
		for (size_t i = 0; i < 40; i++)
			CHECK(seen[i] == 1, "piece %zu comes %d times", i, (int)seen[i]);
		n_same += epoch && first_of_epoch[epoch] == first_of_epoch[0];
	}
	CHECK(n_same < 3, "every epoch has the same order");
	walk_free(&walk);
	batch_free(&batch);
	corpus_free(&c);
}

static void check_schedules(void)
{
	struct schedule s = {.kind = SCHEDULE_RAMP,
	                     .n_steps = 100,
	                     .n_warmup = 10,
	                     .start = 0.1,
	                     .ramp = 0.2,
	                     .rate = 2.0,
	                     .n_layer = 4};

	CHECK(schedule_lambda(&s, 9, 0) == 0.0f && fabsf(schedule_lambda(&s, 19, 3) - 0.5f) < 1e-6f &&
	              schedule_lambda(&s, 29, 0) == 1.0f,
	      "ramp");
	s.kind = SCHEDULE_LAYERS;
	CHECK(schedule_lambda(&s, 14, 0) == 1.0f && schedule_lambda(&s, 14, 1) == 0.0f &&
	              schedule_lambda(&s, 29, 3) == 1.0f,
	      "layers");
	s.kind = SCHEDULE_NONE;
	CHECK(schedule_lambda(&s, 0, 0) == 1.0f, "none");
	s.kind = SCHEDULE_FULL_PRECISION;
	CHECK(schedule_lambda(&s, 99, 0) == 0.0f, "full precision");
	CHECK(schedule_rate(&s, 0) < 0.2 && schedule_rate(&s, 10) == 2.0 && fabs(schedule_rate(&s, 55) - 1.0) < 1e-9 &&
	              schedule_rate(&s, 99) > 0 && schedule_rate(&s, 99) < 0.01,
	      "rate");
}

int main(void)
{
	char path[800];
	struct checkpoint_summary summary;
	struct tern_model_options settings = {.no_mmap = true};

	scratch_begin();
	snprintf(path, sizeof path, "%s", scratch_path("vocabulary.gguf"));
	struct convert_options options = {
	        .input = "models/tern-tiny", .output = path, .vocab_only = true, .n_threads = 1};
	if (convert_checkpoint(&options, &summary, &err) || tern_model_open(&vocabulary, path, &settings, &err)) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	check_documents();
	check_unasked(path);
	check_cuts();
	check_walk();
	check_schedules();
	tern_model_close(vocabulary);
	scratch_end();
	return test_summary();
}
