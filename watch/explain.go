package watch

import (
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// maxExplanation bounds the text of an extended error, in bytes: it has to fit beside the answer.
const maxExplanation = 230

// explain makes the extended error of a denial (RFC 8914): what it is, how long it is kept instead of how long it would be,
// and who has the record.
func (f *finding) explain(kept time.Duration) []byte {
	var b strings.Builder
	b.WriteString("notyet: " + strings.ToUpper(f.reply.Kind.String()))
	full := negativeTTL(f.reply)
	switch {
	case kept == 0:
		b.WriteString(", not kept")
	case kept < full:
		b.WriteString(", kept " + seconds(kept) + " instead of " + seconds(full))
	}
	if who := f.who(); who != "" {
		b.WriteString("; " + who)
	}
	text := b.String()
	return wire.AppendEDE(nil, dns.ExtendedErrorCodeOther, text[:min(len(text), maxExplanation)])
}

// seconds writes 2s, 0.5s or 3601s.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
}

// who says which servers of the name that is denied have it, or why they weren't heard.
func (f *finding) who() string {
	if f.note != "" || len(f.asked) == 0 {
		return f.note
	}
	last := f.asked[len(f.asked)-1]
	var parts []string
	if len(last.Have) > 0 {
		parts = append(parts, each(last.Have, "has it", "have it"))
	}
	if len(last.Lack) > 0 {
		parts = append(parts, strings.Join(last.Lack, " and ")+" not yet")
	}
	if len(last.Silent) > 0 {
		parts = append(parts, each(last.Silent, "is silent", "are silent"))
	}
	if len(last.Spared) > 0 {
		parts = append(parts, strings.Join(last.Spared, " and ")+" not asked: queries_per_second is used up")
	}
	return strings.Join(parts, ", ")
}

func each(names []string, one, many string) string {
	if len(names) == 1 {
		return names[0] + " " + one
	}
	return strings.Join(names, " and ") + " " + many
}
