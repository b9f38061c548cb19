package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Error is the detail: what was wrong, and what to do.
func (p *Problem) Error() string { return p.Detail }

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var answer T
	err := c.call(ctx, http.MethodGet, path, nil, &answer)
	return answer, err
}

// call makes one request for what is below /api/v1/, with its query. A nil body is none; a nil answer is not read.
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	r, err := c.request(ctx, method, "/api/v1/"+path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return c.unanswered(ctx, err)
	case len(data) > maxAnswer:
		return fmt.Errorf("%s: the answer is longer than %d MiB", c.address, maxAnswer>>20)
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // what is none is not what we look for
	if response.StatusCode/100 != 2 {
		return c.problem(response.StatusCode, kind, data)
	}
	if answer == nil {
		return nil
	}
	if kind != "application/json" {
		return c.stranger(response.StatusCode)
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("%s: read the answer: %w", c.address, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	base := url.URL{Scheme: "http", Host: "localhost"} // a Unix socket is on this machine
	if !strings.HasPrefix(c.address, "unix://") {
		base.Host = reachable(c.address)
	}
	r, err := http.NewRequestWithContext(ctx, method, base.String()+path, content)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return r, nil
}

// unanswered says why there is no answer, without the URL, which is not what was typed.
func (c *Client) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		if errors.Is(err, fs.ErrPermission) { // a socket that is there, for others
			return fmt.Errorf("connect to %s: %w", c.address, op.Err)
		}
		return fmt.Errorf("%s: %w: %w", c.address, ErrNoServer, op.Err)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%s: no answer within %s", c.address, Duration(callTimeout))
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s: %w", c.address, err)
}

// problem is what a server that refuses has to say.
func (c *Client) problem(status int, kind string, data []byte) error {
	var p Problem
	if kind != "application/problem+json" || json.Unmarshal(data, &p) != nil {
		return c.stranger(status)
	}
	p.Status = status
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("%s: %d %s", c.address, status, http.StatusText(status))
	}
	return &p
}

// stranger is for an answer that no notyet gives.
func (c *Client) stranger(status int) error {
	return fmt.Errorf("%s: %d %s, and not in the words of the API: name the admin address of a notyet, of the same version",
		c.address, status, http.StatusText(status))
}
