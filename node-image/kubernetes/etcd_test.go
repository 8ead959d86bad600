package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// stored returns an object in the format in which the API server stores it.
func stored(t *testing.T, object runtime.Object, version schema.GroupVersion) []byte {
	t.Helper()
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	var b bytes.Buffer
	if err := scheme.Codecs.EncoderForVersion(serializer, version).Encode(object, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEtcdText(t *testing.T) {
	pod := stored(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}, corev1.SchemeGroupVersion)
	for name, test := range map[string]struct {
		value  []byte
		format string
		want   []string
	}{
		"a pod as YAML":         {pod, "yaml", []string{"apiVersion: v1\n", "kind: Pod\n", "  name: web\n"}},
		"a pod as JSON":         {pod, "json", []string{`  "kind": "Pod"`, `    "name": "web"`, "\n}\n"}},
		"a pod as it is":        {pod, "raw", []string{"k8s\x00"}},
		"a custom resource":     {[]byte(`{"kind":"Web","spec":{"b":1,"a":2}}`), "yaml", []string{"kind: Web\nspec:\n  a: 2\n  b: 1\n"}},
		"its JSON is indented":  {[]byte(`{"kind":"Web"}`), "json", []string{"{\n  \"kind\": \"Web\"\n}\n"}},
		"what is encrypted raw": {[]byte("k8s:enc:aescbc:v1:x"), "raw", []string{"k8s:enc:aescbc:v1:x"}},
	} {
		got, err := etcdText(test.value, test.format)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if !strings.Contains(string(got), want) {
				t.Errorf("%s is\n%s\nwithout %q", name, got, want)
			}
		}
	}
}

// TestEtcdTextFails checks that each error recommends -o raw.
func TestEtcdTextFails(t *testing.T) {
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "example.com/v1", Kind: "Web"}}
	data, err := unknown.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		value []byte
		want  string
	}{
		"encrypted":       {[]byte("k8s:enc:aescbc:v1:x"), "the value is encrypted by the API server"},
		"no object":       {[]byte("hello"), "the value is no object of Kubernetes"},
		"an unknown kind": {append([]byte("k8s\x00"), data...), "example.com/v1, Kind=Web, which this release's client does not know"},
	} {
		for _, format := range []string{"yaml", "json"} {
			if _, err := etcdText(test.value, format); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "-o raw") {
				t.Errorf("%s: %v; want %q", name, err, test.want)
			}
		}
	}
}

// TestEtcdRunIsGivenAWord checks that etcdRun sends no request to etcd without a command.
func TestEtcdRunIsGivenAWord(t *testing.T) {
	if err := etcdRun(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "say get KEY, ls [PREFIX] or watch [PREFIX]") {
		t.Errorf("etcdRun = %v", err)
	}
	// No program listens on the port of etcd.
	if err := etcdRun(t.Context(), []string{"get", "pods"}); err == nil || !strings.Contains(err.Error(), "etcd does not answer") {
		t.Errorf("etcdRun = %v", err)
	}
}
