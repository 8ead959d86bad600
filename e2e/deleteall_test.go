//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDeleteAll deletes all clusters of an engine. mkube uses an engine that shows only the test's
// clusters of this machine.
func TestDeleteAll(t *testing.T) {
	t.Parallel()
	const prefix = "e2e-all-"
	for _, name := range []string{"a", "b"} {
		create(t, prefix+name, "", "--until", "containerd")
	}
	if got := leftoversOf(t, prefix); len(got) < 4 {
		t.Fatalf("the engine has only %q", got)
	}
	all := exec.CommandContext(t.Context(), *mkubePath, "delete", "clusters", "--all")
	all.Env = append(os.Environ(), "DOCKER_HOST=unix://"+showing(t, prefix), "XDG_DATA_HOME="+t.TempDir())
	var stderr bytes.Buffer
	all.Stderr = &stderr
	err := all.Run()
	if want := "Deleted cluster \"e2e-all-a\".\nDeleted cluster \"e2e-all-b\".\n"; err != nil || stderr.String() != want {
		t.Errorf("it says %q, %v; want %q", stderr.String(), err, want)
	}
	if got := leftoversOf(t, prefix); len(got) != 0 {
		t.Errorf("there are still %q", got)
	}
}

// showing returns the socket of a proxy of this machine's engine. The proxy lists only objects of
// clusters whose names begin with a prefix.
func showing(t *testing.T, prefix string) string {
	t.Helper()
	dial := daemon.Dialer()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx)
		}},
		ModifyResponse: func(r *http.Response) error { return hide(r, prefix) },
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return socket
}

// hide removes the objects of other clusters from a list.
func hide(r *http.Response, prefix string) error {
	path := r.Request.URL.Path
	if r.Request.Method != http.MethodGet || !slices.ContainsFunc([]string{"/containers/json", "/networks", "/volumes"}, func(end string) bool { return strings.HasSuffix(path, end) }) {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	others := func(item map[string]any) bool {
		labels, _ := item["Labels"].(map[string]any)
		name, _ := labels["dev.mkube.cluster"].(string)
		return !strings.HasPrefix(name, prefix)
	}
	if strings.HasSuffix(path, "/volumes") {
		var list struct{ Volumes []map[string]any }
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		list.Volumes = slices.DeleteFunc(list.Volumes, others)
		data, err = json.Marshal(list)
	} else {
		var list []map[string]any
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		data, err = json.Marshal(slices.DeleteFunc(list, others))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	r.Header.Set("Content-Length", strconv.Itoa(len(data)))
	return err
}
