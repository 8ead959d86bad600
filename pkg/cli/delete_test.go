package cli

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		left []string
		err  string
	}{
		{"delete cluster", []string{"blue", "red"}, "Deleted cluster \"mkube\".\n"},
		{"delete cluster --name red", []string{"blue", "mkube"}, "Deleted cluster \"red\".\n"},
		{"delete cluster red", []string{"blue", "mkube"}, "Deleted cluster \"red\".\n"},
		{"delete cluster red --name red", []string{"blue", "mkube"}, "Deleted cluster \"red\".\n"},
		{"delete cluster green", []string{"blue", "mkube", "red"}, "Cluster \"green\" does not exist.\n"},
		{"delete clusters red green red blue", []string{"mkube"}, "Deleted cluster \"red\".\nCluster \"green\" does not exist.\nDeleted cluster \"blue\".\n"},
		{"delete clusters --all", nil, "Deleted cluster \"blue\".\nDeleted cluster \"mkube\".\nDeleted cluster \"red\".\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "red", "blue", "mkube")
			w.want(t, w.run(t, tt.line), OK, "", tt.err)
			if left := slices.Sorted(maps.Keys(w.fake.clusters)); !slices.Equal(left, tt.left) {
				t.Errorf("left are %v, want %v", left, tt.left)
			}
		})
	}
}

func TestDeleteAllOfNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(t, w.run(t, "delete clusters --all"), OK, "", "No mkube clusters found.\n")
}

func TestDeleteFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	w.fake.deleteErr = errors.New("the disk is gone")
	w.want(t, w.run(t, "delete clusters red blue"), Failed, "",
		"Error: deleting cluster \"red\": the disk is gone\nError: deleting cluster \"blue\": the disk is gone\n")
}

// TestDeleteRemovesTheEntry checks that the entry is removed also if the cluster does not exist.
func TestDeleteRemovesTheEntry(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"red", "gone"} {
		w := newWorld(t, "red")
		file := filepath.Join(w.home, "kubeconfig")
		mergeEntry(t, file, "mkube-"+name)
		if code := w.run(t, "delete cluster --kubeconfig "+file+" --name "+name); code != OK {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
		if data := readFile(t, file); strings.Contains(data, name) {
			t.Errorf("the entry is left:\n%s", data)
		}
	}
}

func mergeEntry(t *testing.T, file, name string) {
	t.Helper()
	entry := kubeconfig.Entry{Name: name, Server: "https://127.0.0.1:1"}
	if _, err := kubeconfig.Merge(context.WithoutCancel(t.Context()), []string{file}, entry, true); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
