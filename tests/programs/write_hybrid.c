/* Writes the tiny hybrid model of tests/tiny_hybrid.h, for scripts.
 *
 * usage: write_hybrid OUT.gguf */
#include "tiny_hybrid.h"

int main(int argc, char **argv)
{
	struct tern_error err = {.message = "usage: write_hybrid OUT.gguf"};

	if (argc == 2 && tiny_hybrid_write(argv[1], NULL, &err))
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return 1;
}
