package main

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestManualPage(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{
		Use: "tool", Short: "Do things", Version: "1",
		Long: "tool does things.\n.profile is a word here, 'quoted' another, and \\ a third.\n\n  as-it-stands\n    further in",
	}
	run := func(*cobra.Command, []string) {}
	sub := &cobra.Command{Use: "sub NAME", Short: "Do one thing", Long: "sub has its own exit code.", Example: "  tool sub a", Run: run}
	sub.Flags().StringP("out-file", "o", "", "`file` to write")
	sub.Flags().Bool("secret", false, "not for everybody")
	if err := sub.Flags().MarkHidden("secret"); err != nil {
		t.Fatal(err)
	}
	root.AddCommand(sub, &cobra.Command{Use: "hidden", Hidden: true, Run: run})
	v := roff(thisRelease().Version)
	for _, tt := range []struct {
		cmd  *cobra.Command
		want string
	}{
		{root, `.TH "TOOL" 1 "" "notyet ` + v + `" "User Commands"
.nh
.ad l
.SH NAME
tool \- Do things
.SH SYNOPSIS
.B tool [flags] COMMAND
.SH DESCRIPTION
tool does things.
\&.profile is a word here, 'quoted' another, and \e a third.
.PP
.nf
  as\-it\-stands
    further in
.fi
.SH COMMANDS
.TP
.B sub
Do one thing: see \fBtool\-sub\fR(1)
.SH OPTIONS
.TP
\fB\-h\fR, \fB\-\-help\fR
help for tool
.TP
\fB\-v\fR, \fB\-\-version\fR
version for tool
.SH EXIT STATUS
0: done; 1: not so, and standard error says why; 2: wrong usage.
`},
		{sub, `.TH "TOOL\-SUB" 1 "" "notyet ` + v + `" "User Commands"
.nh
.ad l
.SH NAME
tool\-sub \- Do one thing
.SH SYNOPSIS
.B tool sub NAME [flags]
.SH DESCRIPTION
sub has its own exit code.
.SH OPTIONS
.TP
\fB\-h\fR, \fB\-\-help\fR
help for sub
.TP
\fB\-o\fR, \fB\-\-out\-file\fR \fIfile\fR
file to write
.SH EXAMPLES
.nf
  tool sub a
.fi
.SH SEE ALSO
.BR tool (1)
`},
	} {
		if got := manualPage(tt.cmd); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.cmd.Name(), got, tt.want)
		}
	}
}
