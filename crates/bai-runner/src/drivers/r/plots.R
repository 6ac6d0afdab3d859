# Pictures. Plots are drawn on a device of the driver that records the drawing. A page is shown when the next one begins
# and at the end of the cell. It remains, and when a later cell adds to it, it is shown again.
#
# Its size comes from the options of R notebooks: repr.plot.width and repr.plot.height in inches, and repr.plot.res.

# The number of the device, a page to show, and the content of the page at the last look.
canvas <- NULL
drawn <- NULL
seen <- NULL

open_png <- function(file) {
    size <- list(repr.plot.width = 7, repr.plot.height = 5, repr.plot.res = 120)
    for (name in names(size)) if (is.numeric(getOption(name))) size[[name]] <- getOption(name)
    grDevices::png(file, size[[1]], size[[2]], units = "in", res = size[[3]], type = "cairo")
}

open_canvas <- function(...) {
    open_png(tempfile("page-%03d-", fileext = ".png"))
    grDevices::dev.control("enable")
    canvas <<- grDevices::dev.cur()
    drawn <<- seen <<- NULL
}

is_open <- function() !is.null(canvas) && canvas %in% grDevices::dev.list()

# Records the content of the page.
remember <- function() {
    if (in_child() || !is_open()) return(invisible())
    current <- grDevices::dev.cur()
    grDevices::dev.set(canvas)
    on.exit(grDevices::dev.set(current))
    plot <- grDevices::recordPlot()
    marks <- Filter(is_mark, plot[[1]])
    if (length(marks) && !identical(marks, seen)) {
        drawn <<- plot
        seen <<- marks
    }
}

# Whether an entry of a device's record draws on the page; settings do not.
is_mark <- function(entry) {
    name <- tryCatch(entry[[2]][[1]]$name, error = function(...) NULL)
    !(is.character(name) && name %in% c("C_par", "C_layout", "C_clip", "C_strWidth", "C_strHeight", "palette", "palette2"))
}

# Shows the recorded page.
show_page <- function() {
    if (is.null(drawn)) return(invisible())
    current <- grDevices::dev.cur()
    plot <- drawn
    drawn <<- NULL
    picture <- tempfile(fileext = ".png")
    on.exit(unlink(picture))
    open_png(picture)
    tryCatch(grDevices::replayPlot(plot), finally = {
        grDevices::dev.off()
        if (current %in% grDevices::dev.list()) grDevices::dev.set(current)
    })
    bytes <- readBin(picture, "raw", file.size(picture))
    if (length(bytes)) say(paste0("{\"say\":\"media\",\"mime\":\"image/png\",\"data\":\"", base64(bytes), "\"}"))
}

base64 <- function(bytes) {
    signs <- c(LETTERS, letters, 0:9, "+", "/")
    padding <- -length(bytes) %% 3
    triples <- matrix(as.integer(c(bytes, raw(padding))), 3)
    value <- triples[1, ] * 65536L + triples[2, ] * 256L + triples[3, ]
    text <- signs[rbind(value %/% 262144L, value %/% 4096L %% 64L, value %/% 64L %% 64L, value %% 64L) + 1L]
    if (padding) text[length(text) + 1 - seq_len(padding)] <- "="
    paste(text, collapse = "")
}

turn_page <- function(...) {
    if (is_open() && grDevices::dev.cur() == canvas) {
        remember()
        show_page()
    }
}

options(device = open_canvas)
# Several plots may share a page.
setHook("before.plot.new", function(...) if (is_open() && grDevices::dev.cur() == canvas && graphics::par("page")) turn_page())
setHook("before.grid.newpage", turn_page)

# A table for View().
replace("View", function(x, title = NULL) {
    x <- as.data.frame(x)
    most <- utils::head(x, 1000)
    escape <- function(text) gsub("<", "&lt;", gsub("&", "&amp;", text, fixed = TRUE), fixed = TRUE)
    row <- function(cells, tag) paste0("<tr>", paste0("<", tag, ">", escape(cells), "</", tag, ">", collapse = ""), "</tr>")
    body <- as.matrix(format(most))
    rows <- vapply(seq_len(nrow(body)), function(i) row(c(rownames(most)[i], body[i, ]), "td"), "")
    html <- paste0("<table><thead>", row(c("", names(x)), "th"), "</thead><tbody>", paste(rows, collapse = ""), "</tbody></table>")
    say(paste0("{\"say\":\"html\",\"data\":", json(html), "}"))
}, asNamespace("utils"))
