# Every function that is known here, held to what Terraform made of it.
locals {
  calls = {
    numbers    = [abs(-3), ceil(1.2), floor(1.8), log(8, 2), max(1, 5, 3), min(4, 2), parseint("ff", 16), pow(2, 10), signum(-7), sum([1, 2.5])]
    strings    = [chomp("a\n"), format("%s-%03d", "x", 7), join(",", ["a", "b"]), lower("ABC"), upper("abc"), title("a b"), trim("--a--", "-"), trimprefix("aab", "a"), trimsuffix("abb", "b"), trimspace("  a "), strrev("abc"), substr("hello", 1, 3), indent(2, "a\nb")]
    replaced   = [replace("a.b.c", ".", "/"), replace("a1b22", "/[0-9]+/", "#"), replace("ab", "/(a)(b)/", "$2$1")]
    regexes    = [regex("[a-z]+", "12ab"), regex("(?P<first>[a-z])(?P<second>[0-9])", "x9").second, join("", regexall("[0-9]", "a1b2"))]
    formatted  = formatlist("%s!", ["a", "b"])
    tests      = [startswith("abc", "ab"), endswith("abc", "x"), strcontains("abc", "b"), can(tonumber("x")), alltrue([true, "true"]), anytrue([false]), contains(["a"], "a")]
    split      = split(",", "a,b,c")
    chunks     = chunklist([1, 2, 3], 2)
    coalesced  = [coalesce("", null, "x"), coalescelist([], ["y"])[0]]
    compacted  = compact(["a", "", "b"])
    lists      = [concat(["a"], ["b", "c"]), distinct(["a", "b", "a"]), flatten([["a"], [["b"]]]), reverse([1, 2, 3]), slice(["a", "b", "c"], 1, 3), sort(["b", "a"]), range(3)]
    elements   = [element(["a", "b", "c"], 4), index(["a", "b"], "b"), length("héllo"), length([1, 2]), length({ a = 1 }), one(["z"])]
    maps       = [keys({ b = 1, a = 2 }), values({ b = 1, a = 2 }), merge({ a = 1 }, { b = 2 }), zipmap(["k"], ["v"]), lookup({ a = "1" }, "a", "2"), lookup({ a = "1" }, "z", "2")]
    sets       = [setunion(["a"], ["b"]), setintersection(["a", "b"], ["b"]), setsubtract(["a", "b"], ["b"]), setproduct(["a"], ["x", "y"])]
    matched    = matchkeys(["1", "2", "3"], ["a", "b", "a"], ["a"])
    transposed = transpose({ a = ["1", "2"], b = ["2"] })
    encoded    = [jsonencode({ b = [1, "<&>"], a = null, é = true }), jsondecode("{\"a\": [1, true]}").a[0], base64encode("Hello"), base64decode("SGVsbG8="), urlencode("a b/c&d"), csvdecode("a,b\n1,2")[0].b]
    digests    = [md5("x"), sha1("x"), sha256("x"), sha512("x"), base64sha256("x"), base64sha512("x")]
    paths      = [basename("a/b.txt"), dirname("a/b.txt")]
    networks   = [cidrsubnet("10.0.0.0/16", 8, 2), cidrhost("10.0.0.0/16", 5), cidrhost("10.0.0.0/24", -2), cidrnetmask("10.0.0.0/12"), join(" ", cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)), cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)]
    times      = [formatdate("DD MMM YYYY", "2026-01-02T03:04:05Z"), timeadd("2026-01-02T03:04:05Z", "10m")]
    converted  = [tobool("true"), tonumber("4"), tostring(5), tolist(["a"])[0], tomap({ a = "b" }).a]
    tried      = [try(local.none.nothing, "default"), try({ a = 1 }.a, 2)]
    hidden     = nonsensitive(sensitive("s"))
    files      = [file("${path.module}/text.txt"), filebase64("text.txt"), fileexists("text.txt"), fileexists("none.txt"), filemd5("text.txt"), filesha256("text.txt"), filebase64sha256("text.txt"), join(",", fileset(path.module, "*.t[xf]t*"))]
    rendered   = templatefile("${path.module}/hello.tftpl", { name = "you", list = ["a", "b"] })
  }
  none = {}
}

resource "terraform_data" "call" {
  for_each = local.calls
  input    = each.value
}
