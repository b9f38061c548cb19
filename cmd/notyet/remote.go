package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"notyet/admin"
	"notyet/config"
)

// Where a running notyet is found when no flag says so.
const (
	adminVariable = "NOTYET_ADMIN"
	tokenVariable = "NOTYET_ADMIN_TOKEN_FILE"
)

// remote is the running notyet that a command talks to.
type remote struct {
	address   *string // nil: that of the environment, or else of the default configuration
	tokenFile *string // nil: that of the environment, or else none
	json      bool    // show the answer of the API as it is
}

// register adds what finds the server and what lets in.
func (r *remote) register(flags *pflag.FlagSet) {
	r.registerAddress(flags)
	last(flags, &r.tokenFile, parsePath, "admin-token-file", "`file` with the token it asks for; else that of "+tokenVariable)
}

// registerAddress adds what finds the server alone.
func (r *remote) registerAddress(flags *pflag.FlagSet) {
	last(flags, &r.address, parseServer, "admin",
		"`address` of the admin API of a running notyet; else that of "+adminVariable+", else "+config.Default().Admin)
}

// parseServer reads where an admin API is, which is never nowhere.
func parseServer(text string) (string, error) {
	address, err := config.ParseAdmin(text)
	if err != nil || address == "" {
		return "", errors.New("write an IP address and a port, such as 127.0.0.1:8053, or localhost:8053, or unix:///run/notyet.sock")
	}
	return address, nil
}

// where is the address of the server, and which one that is.
func (r *remote) where() (address, which string, err error) {
	if r.address != nil {
		return *r.address, "the address of --admin", nil
	}
	text := os.Getenv(adminVariable)
	if text == "" {
		return config.Default().Admin, "the default address", nil
	}
	if address, err = parseServer(text); err != nil {
		return "", "", fmt.Errorf("%s %q: %w", adminVariable, text, err)
	}
	return address, "the address of " + adminVariable, nil
}

// isHere reports whether the server runs on this machine, as far as its address tells.
func (r *remote) isHere() bool {
	address, _, _ := r.where()
	if strings.HasPrefix(address, "unix://") || strings.HasPrefix(address, "localhost:") {
		return true
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	all := netip.IPv4Unspecified()
	if at.Addr().Is6() {
		all = netip.IPv6Unspecified()
	}
	return config.Config{Listen: []netip.AddrPort{netip.AddrPortFrom(all, at.Port())}}.Ours(at)
}

// flags are those that another command needs to find the same server.
func (r *remote) flags() string {
	var all []string
	if r.address != nil {
		all = append(all, "--admin "+*r.address)
	}
	if r.tokenFile != nil {
		all = append(all, "--admin-token-file "+*r.tokenFile)
	}
	return strings.Join(all, " ")
}

// token is the file with what the server may ask for; empty: there is none.
func (r *remote) token() string {
	if r.tokenFile != nil {
		return *r.tokenFile
	}
	return os.Getenv(tokenVariable)
}

func (r *remote) client() (*admin.Client, error) {
	address, _, err := r.where()
	if err != nil {
		return nil, err
	}
	var token string
	if file := r.token(); file != "" {
		if token, err = admin.ReadToken(file); err != nil {
			return nil, failure{fmt.Errorf("token file %q: %w", file, err)}
		}
	}
	return admin.NewClient(address, token), nil
}

// failed is a call that did not succeed, and what to do about it.
func (r *remote) failed(err error) error {
	_, which, _ := r.where() // it is good, as there was a call
	var problem *admin.Problem
	switch {
	case errors.Is(err, admin.ErrNoServer):
		err = fmt.Errorf("%w\nthat is %s: start \"notyet serve\", or name the address of one that runs with --admin or %s",
			err, which, adminVariable)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w\nrun this as the user of that notyet, or in the group of its socket", err)
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized:
		err = inWords{r.locked(), err}
	}
	return failure{err}
}

// inWords is an error that is told in other words than its own.
type inWords struct {
	text string
	error
}

func (w inWords) Error() string { return w.text }
func (w inWords) Unwrap() error { return w.error }

// locked says what to do about a server that asks for a token.
func (r *remote) locked() string {
	address, _, _ := r.where()
	if file := r.token(); file != "" {
		return fmt.Sprintf("%s: the token in %s is not that server's: write the one into it that its admin_token_file has, or name another file with --admin-token-file or %s",
			address, file, tokenVariable)
	}
	return fmt.Sprintf("%s: this server asks for a token\nname the file with it with --admin-token-file or %s", address, tokenVariable)
}

// ask makes one call and shows its answer: as JSON, or in the words of text.
func ask[T any](cmd *cobra.Command, r *remote, call func(context.Context, *admin.Client) (T, error), text func(T) string) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	answer, err := call(cmd.Context(), client)
	if err != nil {
		return r.failed(err)
	}
	if r.json {
		return showJSON(cmd, answer)
	}
	return show(cmd, text(answer))
}
