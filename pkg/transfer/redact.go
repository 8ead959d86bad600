package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/provider"
)

// lastApplied is the annotation in which kubectl apply keeps a copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// withoutValues returns a function that writes what write writes as JSON, without secrets. All
// values of environment variables and HTTP headers count as secrets. encode returns the text of the
// result.
func withoutValues(write func(context.Context, io.Writer) error, encode func(any) ([]byte, error)) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		var out bytes.Buffer
		if err := write(ctx, &out); err != nil {
			return err
		}
		var object any
		decoder := json.NewDecoder(&out)
		decoder.UseNumber() // a float would change large numbers
		if err := decoder.Decode(&object); err != nil {
			return fmt.Errorf("reading JSON: %w", err)
		}
		data, err := encode(safe(object))
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
}

// safe returns an object of Kubernetes or of Docker without secrets.
func safe(object any) any {
	switch o := object.(type) {
	case string:
		// This must happen before the text is encoded, because YAML breaks long lines.
		return string(provider.Redact([]byte(o)))
	case []any:
		for i, item := range o {
			o[i] = safe(item)
		}
	case map[string]any:
		for key, value := range o {
			o[key] = safe(value)
			switch key {
			case "env", "httpHeaders":
				removeNamed(value)
			case "Env":
				removeAssigned(value)
			case lastApplied:
				o[key] = provider.Redacted
			}
		}
	}
	return object
}

// removeNamed replaces the values in a list such as [{name: A, value: b}].
func removeNamed(list any) {
	items, _ := list.([]any)
	for _, item := range items {
		if variable, ok := item.(map[string]any); ok && variable["value"] != nil {
			variable["value"] = provider.Redacted
		}
	}
}

// removeAssigned replaces the values in a list such as ["A=b"].
func removeAssigned(list any) {
	items, _ := list.([]any)
	for i, item := range items {
		if text, ok := item.(string); ok {
			name, _, _ := strings.Cut(text, "=")
			items[i] = name + "=" + provider.Redacted
		}
	}
}

func indented(object any) ([]byte, error) {
	data, err := json.MarshalIndent(object, "", "  ")
	return append(data, '\n'), err
}

// commented returns an object as YAML, with a note.
func commented(object any) ([]byte, error) {
	data, err := yaml.Marshal(object)
	return append([]byte("# mkube has replaced the values of environment variables and HTTP headers by "+provider.Redacted+".\n"), data...), err
}
