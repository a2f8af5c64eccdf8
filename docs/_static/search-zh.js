// The one sentence of the search page that Sphinx leaves in English.
Documentation.addTranslations({
  locale: "zh_Hans_CN",
  messages: {
    "Search finished, found one page matching the search query.": ["搜索完成，找到 ${resultCount} 个匹配的页面。"],
  },
  plural_expr: "0",
});
