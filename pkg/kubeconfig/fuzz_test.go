package kubeconfig_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// FuzzMerge merges into files with any content. Either Merge refuses and changes nothing, or its
// entry is in the file, and Remove restores everything else.
func FuzzMerge(f *testing.F) {
	for _, form := range forms {
		f.Add(form.before)
		f.Add(form.merged)
	}
	for _, test := range refused {
		f.Add(test.content)
	}
	f.Add("a: &x {b: c}\nclusters: [{name: d, <<: *x}]\nusers:\n- *x\ncontexts:\n- name: 1\n- ~\n- a\n- name: !!binary YQ==\n")
	f.Add("%TAG ! tag:x,2000:\n---\nx: !y |2+\n   a\n\nz: >-\n  b\n  c\n...\n")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "config")
		putAt(t, path, content)
		_, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), true)
		if err != nil {
			if got := get(t, path); got != content {
				t.Fatalf("refused (%v), but changed to:\n%s", err, got)
			}
			return
		}
		merged := get(t, path)
		wantStanzas(t, merged)
		if err := kubeconfig.Remove(t.Context(), []string{path}, "a"); err != nil {
			t.Fatalf("removing: %v, from:\n%s", err, merged)
		}
		removed := get(t, path)
		if got, want := rest(t, removed), rest(t, content); !reflect.DeepEqual(got, want) {
			t.Fatalf("rest is %#v\nwant %#v\nmerged:\n%s\nremoved:\n%s", got, want, merged, removed)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Fatalf("files left: %v, %v", entries, err)
		}
	})
}

// wantStanzas checks that a kubeconfig contains entry("a") once. If kubectl cannot read the rest of
// the file, it checks the decoded YAML.
func wantStanzas(t *testing.T, text string) {
	t.Helper()
	if config, err := clientcmd.Load([]byte(text)); err == nil {
		wantEntry(t, config, "a")
		if config.CurrentContext != "a" {
			t.Errorf("current context is %q", config.CurrentContext)
		}
		return
	}
	decoded := decode(t, text)
	for _, section := range []string{"clusters", "contexts", "users"} {
		n := 0
		items, _ := decoded[section].([]any)
		for _, item := range items {
			if isA(item) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d stanzas in %s:\n%s", n, section, text)
		}
	}
}

func isA(item any) bool {
	switch item := item.(type) {
	case map[string]any:
		return item["name"] == "a"
	case map[any]any:
		return item["name"] == "a"
	}
	return false
}

func decode(t *testing.T, text string) map[any]any {
	t.Helper()
	fields := map[any]any{}
	if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&fields); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%v:\n%s", err, text)
	}
	if fields == nil { // null
		return map[any]any{}
	}
	return fields
}

// rest returns a kubeconfig without the parts of entry("a"), and without the fields of an empty
// kubeconfig.
func rest(t *testing.T, text string) map[any]any {
	t.Helper()
	fields := decode(t, text)
	for _, section := range []string{"clusters", "contexts", "users"} {
		items, _ := fields[section].([]any)
		delete(fields, section)
		var others []any
		for _, item := range items {
			if !isA(item) {
				others = append(others, item)
			}
		}
		if others != nil {
			fields[section] = others
		}
	}
	for key, blank := range map[string]any{"apiVersion": "v1", "kind": "Config"} {
		if fields[key] == blank {
			delete(fields, key)
		}
	}
	delete(fields, "current-context") // Merge set it, Remove cleared it
	return fields
}
