package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// rawLimit is the time limit for one answer.
const rawLimit = 30 * time.Second

// Raw returns the answer of the API server at a path. accept is a media type. If empty, it is
// application/json. If the status is not 200, the error contains the server's message.
func (a *API) Raw(ctx context.Context, path, accept string) ([]byte, error) {
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, rawLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.config.Host+path, nil)
	if err != nil {
		return nil, err
	}
	if accept == "" {
		accept = "application/json"
	}
	request.Header.Set("Accept", accept)
	response, err := a.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the API server does not answer: %w", unwrapURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s of the API server: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %d%s", response.StatusCode, messageOf(body))
	}
	return body, nil
}

// messageOf returns the message of an answer that is a Status, or the first line of another answer.
func messageOf(body []byte) string {
	var status struct{ Message string }
	text := strings.TrimSpace(string(body))
	if json.Unmarshal(body, &status) == nil {
		text = status.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	if text == "" {
		return ""
	}
	return ": " + text
}
