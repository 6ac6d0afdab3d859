# Runs the expressions of a cell in the global environment, as R's console does.

warned <- list()
# The data of warnings() and traceback().
last_warnings <- NULL
last_calls <- NULL
replace("warnings", function(...) if (length(last_warnings)) structure(last_warnings, class = "warnings"))
precede(".traceback", bquote(if (is.null(x)) return(.(function() last_calls)())))

# Whether a call is the driver's own: one that it evaluates, or that reads the cell.
is_ours <- function(call) {
    is.call(call) && length(call) > 1 &&
        (identical(call[[2]], quote(bai_expression)) || identical(call[[2]], quote(bai_code)))
}

# The text of an error, as R writes it.
report <- function(problem, what = "Error") {
    call <- conditionCall(problem)
    text <- conditionMessage(problem)
    if (is.null(call) || is_ours(call)) return(tell(paste0(what, ": ", text)))
    call <- deparse(call, nlines = 1L)[1]
    first <- strsplit(text, "\n", fixed = TRUE)[[1]][1]
    is_long <- isTRUE(14 + nchar(call, "w") + nchar(first, "w") > 75)
    tell(paste0(what, " in ", call, " : ", if (is_long) "\n  ", text))
}

on_warning <- function(warning) {
    level <- getOption("warn")
    if (!is.numeric(level) || level >= 2 || is.null(computeRestarts(warning))) return()
    if (level == 1) report(warning, "Warning")
    if (level == 0 && length(warned) < 50) warned[[length(warned) + 1]] <<- warning
    if (!is.null(findRestart <- Find(function(restart) restart$name == "muffleWarning", computeRestarts(warning))))
        invokeRestart(findRestart)
}

# The warnings of an expression, at its end.
show_warnings <- function() {
    if (!length(warned)) return()
    calls <- lapply(warned, function(warning) if (!is_ours(conditionCall(warning))) conditionCall(warning))
    names(calls) <- vapply(warned, conditionMessage, "")
    warned <<- list()
    last_warnings <<- calls
    count <- length(calls)
    if (count > 10) {
        how_many <- if (count < 50) paste("There were", count, "warnings (use warnings() to see them)") else
            "There were 50 or more warnings (use warnings() to see the first 50)"
        return(tell(how_many))
    }
    tell(paste(utils::capture.output(print(structure(calls, class = "warnings"))), collapse = "\n"))
}

# For traceback(): the calls between the cell and the failed call.
on_error <- function(problem) {
    calls <- users_calls(sys.calls())
    # The last are those of stop() and of this handler.
    calls <- utils::head(calls, -2)
    last_calls <<- rev(lapply(calls, deparse))
}

# Shows a value in a place where methods of cells are found.
show_value <- function(value) {
    settle(1L)
    if (isS4(value)) return(methods::show(value))
    place <- new.env(parent = globalenv())
    place$x <- value
    eval(quote(print(x)), place)
}

evaluate <- function(bai_code) {
    for (bai_expression in as.list(parse(text = bai_code, keep.source = TRUE, encoding = "UTF-8"))) {
        result <- withVisible(eval(bai_expression, globalenv()))
        if (result$visible) show_value(result$value)
        assign(".Last.value", result$value, envir = .AutoloadEnv)
        remember()
        show_warnings()
    }
    0L
}

# The exit code of a cell.
run_code <- function(code) {
    withRestarts(
        tryCatch(
            withCallingHandlers(allowInterrupts(evaluate(code)), error = on_error, warning = on_warning),
            error = function(problem) {
                report(problem)
                1L
            },
            interrupt = function(...) {
                tell("Interrupted")
                1L
            }
        ),
        `_bai_leave` = function(status) status,
        abort = function() 1L
    )
}

# "run id code" or "script id code"
run <- function(line) {
    id <- sub("^[a-z]+ ([0-9]+) .*", "\\1", line)
    code <- unescape(sub("^[a-z]+ [0-9]+ ", "", line))
    # An interrupt that came too late for the last cell.
    tryCatch(notice(), interrupt = function(...) NULL)
    woken <<- FALSE
    send(aside_out, paste0("{\"say\":\"started\",\"id\":", id, "}"))
    status <- run_code(code)
    tryCatch({
        show_warnings()
        remember()
        show_page()
    }, error = report)
    last <<- 1L
    send(control_out, paste0("{\"say\":\"done\",\"id\":", id, ",\"code\":", status, "}"))
}

suspendInterrupts({
    send(control_out, "{\"say\":\"ready\"}")
    repeat {
        line <- next_line()
        if (startsWith(line, "run ") || startsWith(line, "script ")) run(line)
        if (startsWith(line, "complete ")) complete(line)
        if (startsWith(line, "window ")) window(line)
        if (line == "bye") real_quit("no")
    }
})
