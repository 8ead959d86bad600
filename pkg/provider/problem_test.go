package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	if got := provider.Refuse(provider.CheckPort, nil); got != nil {
		t.Errorf("no error is the problem %v", got)
	}
	joined := errors.Join(errors.New("a"), errors.Join(errors.New("b"), nil, fmt.Errorf("c: %w", errors.New("d"))))
	for warning, list := range map[bool][]provider.Problem{false: provider.Refuse(provider.CheckPort, joined), true: provider.Warn(provider.CheckPort, joined)} {
		var texts []string
		for _, p := range list {
			if p.Name != "Port" || p.Warning != warning {
				t.Errorf("%+v is not of its check", p)
			}
			texts = append(texts, p.Err.Error())
		}
		if got := strings.Join(texts, ", "); got != "a, b, c: d" {
			t.Errorf("the problems are %s", got)
		}
	}
}

func TestIgnored(t *testing.T) {
	t.Parallel()
	problems := []provider.Problem{
		{Name: provider.CheckPort, Err: errors.New("port 80 is taken")},
		{Name: provider.CheckMemory, Warning: true, Err: errors.New("little memory")},
		{Name: provider.CheckImage, Err: errors.New("no image")},
	}
	const port, image = "port 80 is taken (to ignore this: --ignore-preflight-errors=Port)", "no image (to ignore this: --ignore-preflight-errors=Image)"
	for _, test := range []struct {
		flag           []string
		warnings, errs string
	}{
		{nil, "little memory", port + "\n" + image},
		{[]string{""}, "little memory", port + "\n" + image},
		{[]string{"port"}, "ignored preflight error Port: port 80 is taken\nlittle memory", image},
		{[]string{" PORT ", "iMage"}, "ignored preflight error Port: port 80 is taken\nlittle memory\nignored preflight error Image: no image", "<nil>"},
		{[]string{"ALL"}, "ignored preflight error Port: port 80 is taken\nlittle memory\nignored preflight error Image: no image", "<nil>"},
		{[]string{"Memory"}, "little memory", port + "\n" + image},
	} {
		ignored, err := provider.ParseIgnored(test.flag)
		if err != nil {
			t.Fatal(err)
		}
		warnings, err := ignored.Sort(problems)
		if got := strings.Join(warnings, "\n"); got != test.warnings || fmt.Sprint(err) != test.errs {
			t.Errorf("%q: warnings\n%s\nand the error\n%v\nwant\n%s\nand\n%s", test.flag, got, err, test.warnings, test.errs)
		}
	}
}

func TestUnknownChecks(t *testing.T) {
	t.Parallel()
	_, err := provider.ParseIgnored([]string{"Port", "swap", "NumCPU"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range append(provider.Checks(), `unknown check "swap"`, `unknown check "NumCPU"`, "--ignore-preflight-errors", "and all") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), `"Port"`) {
		t.Errorf("a check is unknown: %v", err)
	}
}
