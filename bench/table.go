package main

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// writeTables writes the medians as Markdown tables, in the order of results: workloads that follow each other share
// a table when the same was measured.
func writeTables(w io.Writer, results []result, columns func(workload string) []metric) error {
	var out strings.Builder
	for len(results) > 0 {
		metrics := columns(results[0].Workload)
		n := slices.IndexFunc(results, func(r result) bool { return !slices.Equal(columns(r.Workload), metrics) })
		if n < 0 {
			n = len(results)
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(markdown(rows(results[:n], metrics), 2))
		results = results[n:]
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// rows are the cells of one table, the headings first.
func rows(results []result, metrics []metric) [][]string {
	head := []string{"workload", "program"}
	for _, m := range metrics {
		head = append(head, m.heading().text)
	}
	table := [][]string{head}
	for _, r := range results {
		row := []string{r.Workload, r.Program}
		for _, m := range metrics {
			row = append(row, cell(r, find(results, r.Workload, ours), m))
		}
		table = append(table, row)
	}
	return table
}

// cell is the median and, in brackets, what it is as a multiple of notyet's.
func cell(r, own result, m metric) string {
	h := m.heading()
	value, ok := median(r.values(m))
	if !ok {
		return "–"
	}
	text := strconv.FormatFloat(value, 'f', h.decimals, 64)
	if h.plain || r.Program == ours {
		return text
	}
	if x, ok := ratio(r.values(m), own.values(m)); ok {
		text += " (" + strconv.FormatFloat(x, 'f', 2, 64) + ")"
	}
	return text
}

// markdown lines the cells up: those of the first texts columns to the left, numbers to the right.
func markdown(rows [][]string, texts int) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var out strings.Builder
	line := func(row []string) {
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i < texts {
				out.WriteString("| " + text + pad + " ")
			} else {
				out.WriteString("| " + pad + text + " ")
			}
		}
		out.WriteString("|\n")
	}
	line(rows[0])
	for i, width := range widths {
		if i < texts {
			out.WriteString("| " + strings.Repeat("-", width) + " ")
		} else {
			out.WriteString("| " + strings.Repeat("-", width-1) + ": ")
		}
	}
	out.WriteString("|\n")
	for _, row := range rows[1:] {
		line(row)
	}
	return out.String()
}
