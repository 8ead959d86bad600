package kubeconfig_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func TestFind(t *testing.T) {
	t.Parallel()
	first, second := tempFile(t, alone), tempFile(t, alone)
	e := entry("b")
	e.TLSServerName = "kubernetes"
	merge(t, e, second)
	paths := []string{filepath.Join(t.TempDir(), "none"), first, second}
	got, found, err := kubeconfig.Find(paths, "b")
	e.ClientCert, e.ClientKey = nil, nil
	if err != nil || !found || !reflect.DeepEqual(got, e) {
		t.Errorf("Find = %+v, %t, %v; want %+v", got, found, err, e)
	}
	for name, paths := range map[string][]string{"c": paths, "b": {first}} {
		if got, found, err := kubeconfig.Find(paths, name); found || err != nil {
			t.Errorf("Find %s in %q = %+v, %t, %v", name, paths, got, found, err)
		}
	}
}

// TestFindParts checks that a cluster without a user is no entry, and that what cannot be read is
// an error.
func TestFindParts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"clusters: [{name: b, cluster: {server: s}}]\n": "",
		"users: [{name: b, user: {token: t}}]\n":        "",
		"clusters: [\n":                                 "reading kubeconfig PATH: ",
		"clusters: [{name: b, cluster: {certificate-authority-data: '*'}}]\nusers: [{name: b}]\n": `reading cluster "b" of kubeconfig PATH: illegal base64 data at input byte 0`,
		"clusters: [{name: b, cluster: {server: [s]}}]\nusers: [{name: b}]\n":                     `reading cluster "b" of kubeconfig PATH: `,
	} {
		path := tempFile(t, text)
		got, found, err := kubeconfig.Find([]string{path}, "b")
		if found {
			t.Errorf("Find in %s= %+v", text, got)
		}
		message := ""
		if err != nil {
			message = strings.ReplaceAll(err.Error(), path, "PATH")
		}
		if !strings.HasPrefix(message, want) || want == "" && message != "" {
			t.Errorf("Find in %s= %q; want %q", text, message, want)
		}
	}
}
