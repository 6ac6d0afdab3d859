# Replacements of R's functions for input and output: they ask the user through the runner, and keep standard output and
# standard error in order. Two pipes have no common order, so a change from one to the other waits until the first has
# been read.

last <- 1L

settle <- function(stream) {
    if (last != stream) {
        last <<- stream
        sync()
    }
}

settle_for <- function(con) settle(if (inherits(con, "connection") && as.integer(con) == 2L) 2L else 1L)

# A line of the driver itself on standard error.
tell <- function(text) {
    force(text)
    settle(2L)
    say_text(paste0(text, "\n"), file = errors)
}

replace <- function(name, value, space = baseenv()) {
    for (place in c(list(space), if (!identical(space, baseenv())) list(as.environment(paste0("package:", getNamespaceName(space)))))) {
        unlockBinding(name, place)
        assign(name, value, envir = place)
        lockBinding(name, place)
    }
}

# Adds an action before a function of R.
precede <- function(name, first, space = baseenv()) {
    changed <- get(name, envir = space)
    body(changed) <- call("{", first, body(changed))
    replace(name, changed, space)
}

# --- reading ----------------------------------------------------------------------------------------------------------

# A line of the user, or NULL at the end of the input.
ask <- function(password = FALSE) {
    if (in_child()) return(NULL)
    line <- NULL
    suspendInterrupts({
        say(if (password) "{\"say\":\"ask\",\"password\":true}" else "{\"say\":\"ask\",\"password\":false}")
        if (!woken) line <- wait_for("input ", FALSE)
    })
    if (is.null(line)) notice()
    if (is.null(line) || line == "input \004") return(NULL)
    unescape(substring(line, 7))
}

ask_after <- function(prompt, password = FALSE) {
    settle(1L)
    say_text(prompt)
    line <- ask(password)
    if (is.null(line)) "" else line
}

is_stdin <- function(con) {
    if (is.character(con)) return(identical(con, "stdin"))
    inherits(con, "connection") && (as.integer(con) == 0L || inherits(con, "file") && summary(con)$description == "stdin")
}

read_lines <- function(n) {
    n <- if (n < 0) Inf else n
    read <- character()
    while (length(read) < n && !is.null(line <- ask())) read <- c(read, line)
    read
}

# The lines for scan(): as many as requested, else up to an empty one at the console, else up to the end of the input.
scan_lines <- function(wanted, nlines, sep, at_console) {
    read <- character()
    items <- 0
    repeat {
        if (at_console) ask_prompt(sprintf("%d: ", items + 1L))
        line <- ask()
        if (is.null(line) || at_console && line == "") break
        read <- c(read, line)
        items <- items + length(scan(text = line, what = "", sep = sep, quiet = TRUE))
        if (nlines > 0 && length(read) >= nlines || wanted > 0 && items >= wanted) break
    }
    textConnection(read, encoding = "UTF-8")
}

ask_prompt <- function(prompt) {
    settle(1L)
    say_text(prompt)
}

replace("interactive", function() TRUE)
replace("readline", function(prompt = "") ask_after(prompt))
precede("readLines", bquote(if (.(is_stdin)(con)) return(.(read_lines)(n))))
precede("scan", bquote(if (missing(text) && (identical(file, "") || .(is_stdin)(file))) {
    file <- .(scan_lines)(max(n, nmax), nlines, sep, identical(file, ""))
    on.exit(close(file))
}))
replace("menu", function(choices, graphics = FALSE, title = NULL) {
    if (length(title)) say_text(title, "", sep = "\n")
    say_text(sprintf("%d: %s", seq_along(choices), choices), "", sep = "\n")
    repeat {
        chosen <- suppressWarnings(as.integer(ask_after("Selection: ")))
        if (is.na(chosen)) chosen <- 0L
        if (chosen %in% 0:length(choices)) return(chosen)
        say_text("Enter an item from the menu, or 0 to exit\n")
    }
}, asNamespace("utils"))
# The function that packages use first to ask for a password.
options(askpass = function(prompt = "Password: ") ask_after(prompt, TRUE))
setHook(packageEvent("getPass", "onLoad"), function(...) {
    assignInNamespace("getPass", function(msg = "PASSWORD: ", ...) ask_after(msg, TRUE), "getPass")
})

# --- writing ----------------------------------------------------------------------------------------------------------

precede("cat", bquote(.(settle_for)(file)))
precede("writeLines", bquote(.(settle_for)(con)))
precede("print.default", bquote(.(settle)(1L)))

# A command writes to both, and receives the SIGINT for the cell too.
around_command <- function() {
    sync()
    if (in_child()) return()
    if (woken) tools::pskill(PID, tools::SIGINT)
    notice()
}
for (name in c("system", "system2")) precede(name, bquote({
    .(around_command)()
    on.exit(.(around_command)())
}))

# --- the end ----------------------------------------------------------------------------------------------------------

leave <- function(save = "default", status = 0, runLast = TRUE) {
    if (in_child()) real_quit("no", status, FALSE)
    status <- suppressWarnings(as.integer(status))[1]
    invokeRestart("_bai_leave", if (is.na(status)) 1L else status)
}
replace("quit", leave)
replace("q", leave)
