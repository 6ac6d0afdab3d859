# Messages to and from the runner; crates/bai-runner/src/wire.rs describes them. R has no JSON, so the runner's messages are words.

PID <- Sys.getpid()
control_out <- file(paste0("/proc/self/fd/", PIPES[2]), "wb", raw = TRUE)
aside_out <- file(paste0("/proc/self/fd/", PIPES[3]), "wb", raw = TRUE)
number <- 0
# Lines of the runner that are not processed yet, and the beginning of an incomplete one.
lines <- character()
rest <- raw()
# Whether SIGINT was sent since the cell began.
woken <- FALSE

# Lets R notice a pending SIGINT now.
notice <- function() allowInterrupts(Sys.sleep(0.001))

# Functions that user code may replace; the driver keeps the real ones.
say_text <- base::cat
real_quit <- base::quit
errors <- base::stderr()

# A process that user code has forked must not speak for the kernel.
in_child <- function() Sys.getpid() != PID

json <- function(text) {
    text <- gsub("\\", "\\\\", enc2utf8(text), fixed = TRUE)
    text <- gsub("\"", "\\\"", text, fixed = TRUE)
    for (code in which(vapply(1:31, function(code) any(grepl(intToUtf8(code), text, fixed = TRUE)), NA)))
        text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
    paste0("\"", text, "\"")
}

# Sends a message, in frames that are written in one piece.
send <- function(pipe, message) {
    number <<- (number + 1) %% 2^32
    payload <- charToRaw(enc2utf8(message))
    starts <- seq(1, length(payload), by = 4000)
    for (start in starts) {
        piece <- payload[start:min(start + 3999, length(payload))]
        header <- c(number %/% c(1, 2^8, 2^16, 2^24), length(piece) %/% c(1, 2^8)) %% 256
        writeBin(c(as.raw(c(header, start == starts[length(starts)])), piece), pipe)
        flush(pipe)
    }
}

next_line <- function() {
    while (!length(lines)) {
        piece <- readBin(control_in, "raw", 65536L)
        # The runner has ended.
        if (!length(piece)) real_quit("no", 0, FALSE)
        rest <<- c(rest, piece)
        ends <- which(rest == as.raw(10))
        if (length(ends)) {
            last <- ends[length(ends)]
            text <- rawToChar(rest[seq_len(last)])
            Encoding(text) <- "UTF-8"
            rest <<- rest[-seq_len(last)]
            lines <<- strsplit(text, "\n", fixed = TRUE)[[1]]
        }
    }
    line <- lines[1]
    lines <<- lines[-1]
    line
}

# The text of a message: its escapes are those of R's own strings.
unescape <- function(text) {
    literal <- paste0("\"", gsub("\"", "\\\"", text, fixed = TRUE), "\"")
    text <- parse(text = literal, keep.source = FALSE, encoding = "UTF-8")[[1]]
    Encoding(text) <- "UTF-8"
    text
}

# The values of variables and of the option `width` that window() has set.
our_variables <- character()
our_width <- getOption("width")

# "window columns rows NAME=VALUE…": R wraps its output at the width. A value of the user stays.
window <- function(line) {
    words <- strsplit(line, " ", fixed = TRUE)[[1]]
    width <- as.integer(words[2])
    if (identical(getOption("width"), our_width)) {
        our_width <<- if (width) max(10L, min(width, 10000L)) else 80L
        options(width = our_width)
    }
    for (pair in words[-(1:3)]) {
        name <- sub("=.*", "", pair)
        value <- sub("^[^=]*=", "", pair)
        if (!Sys.getenv(name, "dumb") %in% c("dumb", our_variables[name])) next
        our_variables[name] <<- value
        if (nzchar(value)) do.call(Sys.setenv, structure(list(value), names = name)) else Sys.unsetenv(name)
    }
}

# Serves messages that may come at any time, and returns the line with the awaited beginning. NULL if SIGINT came first,
# unless `is_patient` is set.
wait_for <- function(beginning, is_patient) {
    repeat {
        line <- next_line()
        if (startsWith(line, beginning)) return(line)
        if (startsWith(line, "complete ")) complete(line)
        if (startsWith(line, "window ")) window(line)
        if (line == "wake") {
            woken <<- TRUE
            if (!is_patient) return(NULL)
        }
    }
}

# Sends a message that keeps its place in the output; returns when the runner has read all earlier output.
say <- function(message) {
    if (in_child()) return(invisible())
    suspendInterrupts({
        send(control_out, message)
        answer <- sprintf("ack %.0f", number)
        wait_for(answer, TRUE)
    })
    invisible()
}

sync <- function() say("{\"say\":\"sync\"}")
