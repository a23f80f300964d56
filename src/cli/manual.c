/* The program tern: its commands, and the other sections of its manual. A new command is added here. */
#include "api/inspect.h"
#include "cli/commands.h"

static const struct command *const commands[] = {
        &command_chat, &command_run,   &command_info,   &command_tokenize,   &command_bench,
        &command_eval, &command_embed, &command_logits, &command_completion, &command_help,
        NULL};

static const struct manual_item statuses[] = {
        {"0", "Success: the text ended, or reached its limit, a stop string or the end of the context."},
        {"1", "Failure: out of memory, a write error, logits that are not finite, or a failed request of a batch."},
        {"2", "Wrong usage."},
        {"3", "An input file is missing, damaged or not supported."},
        {"4", "The prompt does not fit the context."},
        {"130, 143, 141", "Ended by Ctrl-C, by SIGTERM, by a reader that went away."},
        {NULL, NULL},
};

static const struct manual_item environment[] = {
        {"TERN_MODEL", "The model if there is no -m."},
        {"TERN_MODELS", "Folders to look for models in, separated by colons."},
        {"TERN_THREADS", "The number of threads if there is no -t."},
        {"TERN_HISTORY", "The file for chat's history; empty: none."},
        {"TERN_STREAMING", "How weights are read, instead of what is found to be fastest: STREAMS:BYTES or "
                           "STREAMS:BYTES:TOKENS, 1, 2 or 4 streams, how far ahead to prefetch, and up to how many "
                           "tokens, at least 6 on x86-64, weights are multiplied as they are stored, as in 4:2048:32. "
                           "Changes nothing in the "
                           "result."},
        {"TERN_ISA", "The kernels to use instead of the best ones of this CPU: portable, avx2, neon, ..."},
        {"NO_COLOR", "If set and not empty: no color."},
        {"TERM, COLUMNS", "The kind of terminal, and its width where the terminal does not tell it."},
        {"VISUAL, EDITOR", "The editor that chat starts."},
        {"XDG_DATA_HOME, XDG_STATE_HOME",
         "Where models and the history are, instead of ~/.local/share and ~/.local/state."},
        {NULL, NULL},
};

static const struct manual_item files[] = {
        {"NAME.gguf",
         "A model. A name that contains a slash, or that is an existing file, is a path. tern looks for any "
         "other name, with and without .gguf, in the folders below."},
        {"$TERN_MODELS, $XDG_DATA_HOME/tern/models, PREFIX/share/tern/models",
         "Folders of models, in this order. A program that is run where it was built looks in build/models and models "
         "beside it before PREFIX."},
        {"tern-tiny.gguf", "The model that ships, and the default. It knows little."},
        {"$XDG_STATE_HOME/tern/history", "The lines typed in chat."},
        {NULL, NULL},
};

static const struct manual_section sections[] = {
        {"STREAMS",
         "Standard output carries results and nothing else; messages and progress go to standard error. "
         "On a terminal control characters in a model's text are shown as \\x1b; a pipe gets every byte.\n"
         "\n"
         "The same file, tokens and seed give the same text on every CPU, with any number of threads.\n",
         NULL},
        {"EXIT STATUS", NULL, statuses},
        {"ENVIRONMENT", "An option beats a variable.\n", environment},
        {"FILES", NULL, files},
        {"EXAMPLES",
         "Talk, ask, and summarize a file:\n"
         "\n"
         "  tern chat\n"
         "  tern run \"What is the capital of France?\"\n"
         "  tern run \"Summarize this text.\" < text.txt\n"
         "\n"
         "Answer many questions; requests may override the settings of the command line:\n"
         "\n"
         "  $ cat requests.jsonl\n"
         "  {\"id\": 1, \"prompt\": \"What is the capital of Peru?\"}\n"
         "  {\"id\": 2, \"messages\": [{\"role\": \"user\", \"content\": \"Tell me a story.\"}], \"temp\": 0.8, "
         "\"seed\": 1}\n"
         "  $ tern run --temp 0 --batch requests.jsonl > results.jsonl\n"
         "\n"
         "See how sure the model was of each token:\n"
         "\n"
         "  tern run --show-probs --alternatives 3 \"Who are you?\"\n",
         NULL},
        {NULL, NULL, NULL},
};

const struct program tern_program = {
        .name = "tern",
        .summary = "run ternary (1.58-bit) language models on CPUs",
        .commands = commands,
        .sections = sections,
        .see_also = "tern-convert(1), tern-tune(1)",
        .chat_format = tern_chat_format_name,
        .shape = tern_shape_name,
        .lists_models = true,
};
