{% macro epoch_seconds(text) -%}
    {#- A Unix time in text as bigint; null if it lies outside the years 1970 to 9999. One visit
        with an absurd time must not stop a build, nor stay the newest version forever. -#}
    if(
        try_cast({{ text }} as bigint) between 0 and 253402214400,
        try_cast({{ text }} as bigint),
        null
    )
{%- endmacro %}
