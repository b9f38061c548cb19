package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"notyet":        main,
		"interruptible": waitTwice,
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			return errors.Join(withAPIs(env), withAuthority(env))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": exits(1), // fails ARGS: notyet exits with 1 and has nothing on standard output
			"usage": exits(2),
			"notso": notSoOf,
			"exits": func(ts *testscript.TestScript, neg bool, args []string) { // exits CODE ARGS
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				exits(code)(ts, neg, args[1:])
			},
		},
	})
}

// withAPIs gives a script the addresses of two running notyets, in API and in GUARDED, which asks for a token, and of some
// that check --live takes for none.
func withAPIs(env *testscript.Env) error {
	for variable, token := range map[string]string{"API": "", "GUARDED": "0123456789abcdef"} {
		s := startFakeAPI(token)
		env.Defer(s.Close)
		env.Setenv(variable, s.Listener.Addr().String())
	}
	for variable, handler := range map[string]http.HandlerFunc{
		"STARTING": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no upstream has answered yet", http.StatusServiceUnavailable)
		},
		"STRANGER": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") },
		"SILENT":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		s := httptest.NewServer(handler)
		env.Defer(s.Close)
		env.Setenv(variable, s.Listener.Addr().String())
	}
	return nil
}

// exits is a script command that runs notyet and checks its exit code, which exec does not tell.
func exits(want int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		wantExit(ts, neg, args, want)
		if out := ts.ReadFile("stdout"); out != "" {
			ts.Fatalf("notyet %q wrote to standard output: %s", args, out)
		}
	}
}

// notSoOf is a script command, notso ARGS: notyet exits with 1, as what it answers is not what was hoped for.
func notSoOf(ts *testscript.TestScript, neg bool, args []string) {
	wantExit(ts, neg, args, 1)
	if out := ts.ReadFile("stderr"); out != "" {
		ts.Fatalf("notyet %q wrote to standard error: %s", args, out)
	}
}

func wantExit(ts *testscript.TestScript, neg bool, args []string, want int) {
	err := ts.Exec("notyet", args...)
	var exit *exec.ExitError
	if neg || !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("notyet %q: got %v, want exit code %d", args, err, want)
	}
}
