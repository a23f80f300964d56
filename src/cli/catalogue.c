#include "cli/catalogue.h"

#include "console/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct public_model {
	const char *name;
	const char *repository; /* on Hugging Face */
	const char
	        *file; /* a GGUF file there; "": one whose name we do not know; NULL: a checkpoint, for tern-convert */
};

static const struct public_model models[] = {
        {"bitnet-b1.58-2B-4T", "microsoft/bitnet-b1.58-2B-4T-gguf", "ggml-model-i2_s.gguf"},
        {"bitnet-embedding-0.6b", "microsoft/bitnet-embedding-0.6b", "bitnet-embeddings-0.6b-bf16-i2_s.gguf"},
        {"bitnet-embedding-270m", "microsoft/bitnet-embedding-270m", "bitnet-embeddings-270m-bf16-i2_s.gguf"},
        {"bitnet-r1-llama-8b", "codys12/bitnet-r1-llama-8b", NULL},
        {"bitnet-r1-qwen-32b", "codys12/bitnet-r1-qwen-32b", NULL},
        {"Qwen3-8B-BitNet", "codys12/Qwen3-8B-BitNet", NULL},
        {"Llama3-8B-1.58-100B-tokens", "HF1BitLLM/Llama3-8B-1.58-100B-tokens", NULL},
        {"Falcon3-1B-Instruct-1.58bit", "tiiuae/Falcon3-1B-Instruct-1.58bit-GGUF", "ggml-model-i2_s.gguf"},
        {"Falcon3-3B-Instruct-1.58bit", "tiiuae/Falcon3-3B-Instruct-1.58bit-GGUF", "ggml-model-i2_s.gguf"},
        {"Falcon3-7B-Instruct-1.58bit", "tiiuae/Falcon3-7B-Instruct-1.58bit-GGUF", "ggml-model-i2_s.gguf"},
        {"Falcon3-10B-Instruct-1.58bit", "tiiuae/Falcon3-10B-Instruct-1.58bit-GGUF", "ggml-model-i2_s.gguf"},
        {"Falcon-E-1B-Instruct", "tiiuae/Falcon-E-1B-Instruct-GGUF", "ggml-model-i2_s.gguf"},
        {"Falcon-E-3B-Instruct", "tiiuae/Falcon-E-3B-Instruct-GGUF", "ggml-model-i2_s.gguf"},
        {"bitnet_b1_58-large", "1bitLLM/bitnet_b1_58-large", NULL},
        {"bitnet_b1_58-3B", "1bitLLM/bitnet_b1_58-3B", NULL},
        {"TriLM_99M", "SpectraSuite/TriLM_99M_Unpacked", NULL},
        {"TriLM_830M", "SpectraSuite/TriLM_830M_Unpacked", NULL},
        {"TriLM_3.9B", "SpectraSuite/TriLM_3.9B_Unpacked", NULL},
        {"Ternary-Bonsai-1.7B", "prism-ml/Ternary-Bonsai-1.7B-gguf", "Ternary-Bonsai-1.7B-Q2_0.gguf"},
        {"Ternary-Bonsai-4B", "prism-ml/Ternary-Bonsai-4B-gguf", "Ternary-Bonsai-4B-Q2_0.gguf"},
        {"Ternary-Bonsai-8B", "prism-ml/Ternary-Bonsai-8B-gguf", "Ternary-Bonsai-8B-Q2_0.gguf"},
        {"Bonsai-1.7B", "prism-ml/Bonsai-1.7B-gguf", "Bonsai-1.7B-Q1_0.gguf"},
        {"Bonsai-4B", "prism-ml/Bonsai-4B-gguf", "Bonsai-4B-Q1_0.gguf"},
        {"Bonsai-8B", "prism-ml/Bonsai-8B-gguf", "Bonsai-8B-Q1_0.gguf"},
        {"Bonsai-27B", "prism-ml/Bonsai-27B-gguf", "Bonsai-27B-Q1_0.gguf"},
        {"BitCPM-CANN-0.5B", "openbmb/BitCPM-CANN-0.5B-gguf", "bitcpm4-0.5b-tq2_0.gguf"},
        {"BitCPM-CANN-1B", "openbmb/BitCPM-CANN-1B-gguf", "bitcpm4-1b-tq2_0.gguf"},
        {"BitCPM-CANN-3B", "openbmb/BitCPM-CANN-3B-gguf", "bitcpm4-3b-tq2_0.gguf"},
        {"BitCPM-CANN-8B", "openbmb/BitCPM-CANN-8B-gguf", "bitcpm4-8b-tq2_0.gguf"},
        {"Ternary-Bonsai-27B", "prism-ml/Ternary-Bonsai-27B-gguf", "Ternary-Bonsai-27B-PQ2_0.gguf"},
        {"Ternary-Bonsai-2-27B", "prism-ml/Ternary-Bonsai-2-27B-gguf", "Ternary-Bonsai-2-27B-PQ2_0.gguf"},
        {"Ternary-Bonsai-2-27B-PTQ1_0", "prism-ml/Ternary-Bonsai-2-27B-gguf", "Ternary-Bonsai-2-27B-PTQ1_0.gguf"},
        {"Maple-20B-A1B", "deepgrove/maple-preview-GGUF", ""},
};

enum {
	N_MODELS = sizeof models / sizeof *models,
	LONGEST = 64
};

/* Keeps letters and digits, in lower case: bitnet-2b and BitNet_2B mean the same. */
static size_t simplify(char out[LONGEST], const char *name)
{
	size_t n = 0;

	for (; *name && n < LONGEST - 1; name++)
		if (isalnum((unsigned char)*name))
			out[n++] = (char)tolower((unsigned char)*name);
	out[n] = '\0';
	return n;
}

/* True if every letter of `part` occurs in `whole` in this order: "falcon3-3b" for Falcon3-3B-Instruct-1.58bit,
 * "bitnet2b" for bitnet-b1.58-2B-4T. */
static bool abbreviates(const char *part, const char *whole)
{
	for (; *part && *whole; whole++)
		part += *part == *whole;
	return !*part;
}

/* How badly a typed name fits a known one, both simplified. Best is the name itself, then one that begins so: of these
 * the first in the list wins. Then come abbreviations, whose first letters must match, since nearly everything
 * abbreviates something, and names that contain the typed one: of these the shortest wins. */
enum {
	NO_FIT = 1000
};
static size_t misfit(const char *typed, const char *known)
{
	size_t n = strlen(typed);

	if (strncmp(typed, known, n) == 0)
		return known[n] != '\0';
	if (strncmp(typed, known, 4) == 0 && abbreviates(typed, known))
		return strlen(known);
	return strstr(known, typed) ? LONGEST + strlen(known) : NO_FIT;
}

static const struct public_model *find(const char *name)
{
	char typed[LONGEST], known[LONGEST];
	const struct public_model *best = NULL;
	size_t least = NO_FIT;
	struct suggestion suggestion;

	if (simplify(typed, name) < 4)
		return NULL;
	suggest_start(&suggestion, typed, strlen(typed));
	for (size_t i = 0; i < N_MODELS; i++) {
		suggest_offer(&suggestion, known, simplify(known, models[i].name));
		if (misfit(typed, known) < least) {
			least = misfit(typed, known);
			best = &models[i];
		}
	}
	for (size_t i = 0; !best && suggestion.best[0] && i < N_MODELS; i++) {
		simplify(known, models[i].name);
		if (strcmp(known, suggestion.best) == 0)
			best = &models[i];
	}
	return best;
}

void catalogue_advise(struct text *advice, const char *name)
{
	const struct public_model *model = find(name);

	if (!model)
		return;
	if (model->file && !*model->file)
		text_printf(advice, "get the public model %s: a GGUF file in TQ2_0 of https://huggingface.co/%s",
		            model->name, model->repository);
	else if (model->file)
		text_printf(
		        advice,
		        "get the public model %s with: curl -L -o %s.gguf https://huggingface.co/%s/resolve/main/%s",
		        model->name, model->name, model->repository, model->file);
	else
		text_printf(advice,
		            "get the public model %s with: hf download %s --local-dir %s && tern-convert %s -o %s.gguf",
		            model->name, model->repository, model->name, model->name, model->name);
}
