# R's browser(): it asks for expressions, and evaluates them where it was called. R itself would not stop, since it has no
# terminal; for the same reason there are no steps.

# The calls of the cell itself.
users_calls <- function(calls) {
    ours <- which(vapply(calls, is_ours, NA))
    if (length(ours)) calls[-seq_len(ours[length(ours)])] else calls
}

browse_line <- function(bai_code, place) {
    for (bai_expression in as.list(parse(text = bai_code, keep.source = TRUE, encoding = "UTF-8"))) {
        result <- withVisible(eval(bai_expression, place))
        if (result$visible) show_value(result$value)
    }
}

browse_command <- function(line, place, calls) {
    command <- trimws(line)
    if (command == "Q") invokeRestart("abort")
    if (command == "where") {
        for (number in seq_along(calls)) say_text(sprintf("where %d: %s\n", number, deparse(rev(calls)[[number]])[1]))
    } else if (command %in% c("n", "s", "f")) {
        say_text("There are no steps here: c continues, Q ends the cell.\n")
    } else tryCatch(browse_line(line, place), error = report)
}

replace("browser", function(text = "", condition = NULL, expr = TRUE, skipCalls = 0L) {
    if (!isTRUE(as.logical(expr)) || in_child()) return(invisible())
    place <- parent.frame()
    # Without this call.
    calls <- utils::head(users_calls(sys.calls()), -1)
    settle(1L)
    say_text("Called from: ", if (length(calls)) deparse(calls[[length(calls)]])[1] else "top level", "\n", sep = "")
    repeat {
        ask_prompt("Browse[1]> ")
        line <- ask()
        if (is.null(line) || trimws(line) %in% c("", "c", "cont")) return(invisible())
        browse_command(line, place, calls)
        settle(1L)
    }
})

for (name in c("debug", "debugonce")) replace(name, eval(bquote(function(fun, text = "", condition = NULL, signature = NULL)
    stop(.(name), "() cannot stop here; call browser() in the function", call. = FALSE))))
