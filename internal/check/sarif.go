package check

import (
	"encoding/json"
	"fmt"
	"io"
)

// The parts of SARIF 2.1.0 that findings need.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
		Invocations []sarifInvocation `json:"invocations"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level          string       `json:"level"`
		Message        sarifMessage `json:"message"`
		AssociatedRule *sarifRef    `json:"associatedRule,omitempty"`
	}
	sarifRef struct {
		ID string `json:"id"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Version        string      `json:"version,omitempty"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		ShortDescription sarifMessage `json:"shortDescription"`
		FullDescription  sarifMessage `json:"fullDescription"`
		HelpURI          string       `json:"helpUri"`
		Configuration    sarifLevel   `json:"defaultConfiguration"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations,omitempty"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints,omitempty"`
		Fixes        []sarifFix        `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		ID       *int           `json:"id,omitempty"`
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifMessage  `json:"message,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int  `json:"startLine,omitempty"`
		StartColumn int  `json:"startColumn,omitempty"`
		ByteOffset  *int `json:"byteOffset,omitempty"`
		ByteLength  *int `json:"byteLength,omitempty"`
	}
	sarifFix struct {
		Description sarifMessage  `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion   `json:"deletedRegion"`
		Inserted *sarifMessage `json:"insertedContent,omitempty"`
	}
)

// WriteSARIF writes the findings as a SARIF 2.1.0 log, for code review tools.
func WriteSARIF(w io.Writer, version string, sections []Section) error {
	driver := sarifDriver{Name: "mantle", InformationURI: "https://github.com/mantle-iam/mantle", Version: version}
	index := map[string]int{}
	for _, r := range Rules() {
		if r.Check == nil {
			continue
		}
		index[r.ID] = len(driver.Rules)
		driver.Rules = append(driver.Rules, sarifRule{r.ID, sarifMessage{r.Title}, sarifMessage{r.Why}, r.Page, sarifLevel{r.Severity.sarif()}})
	}
	run := sarifRun{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	call := sarifInvocation{ExecutionSuccessful: true}
	for _, s := range sections {
		for _, u := range s.Result.Unchecked {
			call.Notifications = append(call.Notifications, sarifNotification{"note", sarifMessage{fmt.Sprintf("%s %s not checked: needs %s", u.Rule, u.Where, u.Needs)}, &sarifRef{u.Rule}})
		}
		for _, f := range s.Result.Findings {
			text := f.Message
			if f.Cure != "" {
				text += "\n" + f.Cure
			}
			r := sarifResult{RuleID: f.Rule, RuleIndex: index[f.Rule], Level: f.Severity.sarif(), Message: sarifMessage{text}}
			if l, ok := sarifPlace(f.Where.File, f.Where.Line, f.Where.Column); ok {
				if f.Address != "" {
					l.Logical = []sarifLogical{{f.Address}}
				}
				r.Locations = []sarifLocation{l}
			} else if f.Address != "" {
				r.Locations = []sarifLocation{{Logical: []sarifLogical{{f.Address}}}}
			}
			r.Fingerprints = map[string]string{"rule/address/v1": f.Rule + " " + uri(f.Where.File) + " " + f.Address + " " + f.Message}
			for i, x := range f.Related {
				if l, ok := sarifPlace(x.Where.File, x.Where.Line, x.Where.Column); ok {
					l.ID, l.Message = &i, &sarifMessage{x.Text}
					r.Related = append(r.Related, l)
				}
			}
			if e := f.Edit; e != nil {
				start, length := e.Start, e.End-e.Start
				r.Fixes = []sarifFix{{sarifMessage{f.Cure}, []sarifChange{{sarifArtifact{uri(e.File)}, []sarifReplacement{{sarifRegion{ByteOffset: &start, ByteLength: &length}, &sarifMessage{e.New}}}}}}}
			}
			run.Results = append(run.Results, r)
		}
	}
	run.Invocations = []sarifInvocation{call}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifPlace(file string, line, column int) (sarifLocation, bool) {
	if file == "" {
		return sarifLocation{}, false
	}
	p := &sarifPhysical{Artifact: sarifArtifact{uri(file)}}
	if line > 0 {
		p.Region = &sarifRegion{StartLine: line, StartColumn: column}
	}
	return sarifLocation{Physical: p}, true
}

func (s Severity) sarif() string {
	if s == Info {
		return "note"
	}
	return s.String()
}
