# R's knowledge of names: completion, as in its own console, and help as plain text.

# "complete id code": answers with the completions of the end of the code.
complete <- function(line) {
    id <- sub("^complete ([0-9]+) .*", "\\1", line)
    answer <- tryCatch({
        code <- gsub("[\r\n]", " ", unescape(sub("^complete [0-9]+ ", "", line)))
        utils:::.assignLinebuffer(code)
        utils:::.assignEnd(nchar(code))
        token <- utils:::.guessTokenFromLine()
        utils:::.completeToken()
        names <- utils::head(unique(utils:::.retrieveCompletions()), 1000)
        list(start = nchar(code) - nchar(token), names = names[nzchar(names)])
    }, error = function(e) list(start = NULL, names = character()))
    start <- if (is.null(answer$start)) "null" else answer$start
    suggestions <- if (length(answer$names)) paste(json(answer$names), collapse = ",") else ""
    send(aside_out, paste0("{\"say\":\"completions\",\"id\":", id, ",\"start\":", start, ",\"suggestions\":[", suggestions, "]}"))
}

show_files <- function(files, header = "", title = "", delete.file = FALSE) {
    for (file in files) {
        text <- readLines(file, warn = FALSE)
        # Underlined and bold text, as on a typewriter.
        text <- gsub(".\b", "", text)
        writeLines(text)
        if (delete.file) unlink(file)
    }
}

options(
    pager = show_files,
    help_type = "text",
    browser = function(url) say_text(url, "\n"),
    menu.graphics = FALSE
)
if (identical(getOption("repos")[["CRAN"]], "@CRAN@")) options(repos = c(CRAN = "https://cloud.r-project.org"))
columns <- suppressWarnings(as.integer(Sys.getenv("COLUMNS")))
if (!is.na(columns) && columns >= 10) options(width = min(columns, 10000L))
