/* Writes the hybrid model of tests/hybrid_model.h, for scripts. Of the tokens of Qwen's chat formats it has <|im_end|>.
 *
 * usage: write_hybrid OUT.gguf */
#define HYBRID_SIZE 64
#include "hybrid_model.h"

int main(int argc, char **argv)
{
	struct tern_error err = {.message = "usage: write_hybrid OUT.gguf"};

	hybrid_fill();
	if (argc == 2 && hybrid_write(argv[1], &(struct hybrid_kind){.end = "<|im_end|>"}, &err))
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return 1;
}
