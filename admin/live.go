package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Ready asks whether the server can be sent queries, for which nobody needs a token. Its error says what is missing.
func (c *Client) Ready(ctx context.Context) error {
	const most = 1 << 10 // bytes; what a notyet says is one line
	r, err := c.request(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return c.unanswered(ctx, err)
	}
	said, _, _ := strings.Cut(string(text), "\n")
	switch {
	case response.StatusCode == http.StatusOK && said == isReady:
		return nil
	case response.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain"):
		return fmt.Errorf("%s: not ready: %s", c.address, said)
	}
	return c.stranger(response.StatusCode)
}
